FROM redis:7.4-bookworm
RUN install -d -o redis -g redis -m 0750 /tls
WORKDIR /tls
COPY <<'GEN' /usr/local/bin/gen-certs
#!/usr/bin/env bash
set -euo pipefail
openssl genrsa -out ca.key 4096
openssl req -x509 -new -nodes -sha256 -key ca.key -days 3650 -subj '/O=Redis Test/CN=Certificate Authority' -out ca.crt
for name in server client; do
  openssl genrsa -out $name.key 2048
  openssl req -new -sha256 -subj "/O=Redis Test/CN=$name" -key $name.key |
    openssl x509 -req -sha256 -CA ca.crt -CAkey ca.key -CAserial ca.txt -CAcreateserial -days 365 -out $name.crt
done
GEN
RUN chmod +x /usr/local/bin/gen-certs && gen-certs && chown redis:redis /tls/*
EXPOSE 6380
CMD ["redis-server", "--port", "0", "--tls-port", "6380", "--tls-cert-file", "/tls/server.crt", "--tls-key-file", "/tls/server.key", "--tls-ca-cert-file", "/tls/ca.crt"]
