FROM golang:1.23-alpine AS derper
RUN --mount=type=cache,target=/go/pkg/mod,id=gomod,sharing=shared,ro=false \
    --mount=type=cache,target=/root/.cache/go-build,readwrite \
    go install -trimpath tailscale.com/cmd/derper@v1.76.3
FROM alpine
RUN apk add --no-cache ca-certificates iptables iproute2 ip6tables
COPY --from=derper /go/bin/derper /usr/local/bin/
EXPOSE 80 443 3478/udp
ENTRYPOINT derper -hostname "$HOSTNAME" -certmode letsencrypt -verify-clients
