FROM alpine:3.20 AS one
COPY --from=one /etc/os-release /copy
