FROM ghcr.io/project-zot/zot-linux-amd64:v2.1.1 AS zot
FROM gcr.io/distroless/base-nossl-debian12:latest-amd64
COPY --from=zot /usr/local/bin/zot /usr/local/bin/zot
COPY <<{ /etc/zot/config.json
  "distSpecVersion": "1.1.0",
  "storage": { "rootDirectory": "/var/lib/registry", "gc": true },
  "http": { "address": "0.0.0.0", "port": "5000" },
  "log": { "level": "info" }
{
VOLUME ["/var/lib/registry"]
EXPOSE 5000
ENTRYPOINT ["/usr/local/bin/zot"]
CMD ["serve", "/etc/zot/config.json"]
