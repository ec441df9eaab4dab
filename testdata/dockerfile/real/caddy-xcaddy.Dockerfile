ARG CADDY=2.8
FROM caddy:${CADDY}-builder AS xc
RUN xcaddy build \
    --with github.com/caddy-dns/route53 \
    --with github.com/mholt/caddy-ratelimit

FROM caddy:${CADDY}
COPY --from=xc /usr/bin/caddy /usr/bin/caddy
COPY <<EOF /etc/caddy/Caddyfile
{
	admin off
}
:8080 {
	respond "caddy $CADDY_VERSION"
}
EOF
