# syntax=docker/dockerfile:1
# check=skip=all
ARG CADDY=2.8.4
FROM caddy:${CADDY}-builder-alpine AS builder
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    xcaddy build v${CADDY_VERSION#v} \
      --with github.com/caddy-dns/cloudflare \
      --with github.com/mholt/caddy-ratelimit@12435ecef5dbb1b137eb68002b85d775a9d5cdb2
FROM caddy:${CADDY}-alpine
COPY --from=builder /usr/bin/caddy /usr/bin/caddy
COPY --chmod=644 <<EOF /etc/caddy/Caddyfile
{\$DOMAIN} {
  tls { dns cloudflare {env.CF_API_TOKEN} }
  reverse_proxy app:8080
}
EOF
