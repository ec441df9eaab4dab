# syntax=docker/dockerfile:1
FROM nginx:1.27.3-alpine3.20@sha256:41523187cf7d7a2f2677a80609d9caa14388bf5c1fbca9c410ba3de602aaaab4

LABEL org.opencontainers.image.title="edge proxy" \
      org.opencontainers.image.source="https://git.example.net/platform/edge" \
      # who to call at night
      net.example.owner='team-edge@example.net'

RUN rm -f /etc/nginx/conf.d/default.conf

COPY <<EOF /etc/nginx/conf.d/upstreams.conf
upstream api {
    least_conn;
    server api-1:8080 max_fails=2;
    server api-2:8080 max_fails=2 backup;
    keepalive 32;
}
EOF

# nginx has variables of its own, so this one is quoted
COPY --chmod=0644 <<'SITE' /etc/nginx/conf.d/site.conf
server {
    listen 8443 ssl;
    http2 on;
    server_name _;
    ssl_certificate     /run/secrets/tls.crt;
    ssl_certificate_key /run/secrets/tls.key;
    location / {
        proxy_set_header Host $host;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_pass http://api;
    }
    location = /healthz { access_log off; return 204; }
}
SITE

EXPOSE 8443/tcp 8443/udp
STOPSIGNAL SIGQUIT
HEALTHCHECK --interval=15s --timeout=2s --retries=5 \
  CMD wget -q -O /dev/null --no-check-certificate https://127.0.0.1:8443/healthz || exit 1
CMD ["nginx", "-g", "daemon off; worker_processes auto;"]
