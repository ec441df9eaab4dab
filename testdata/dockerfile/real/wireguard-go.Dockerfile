FROM golang:1.22-alpine AS go
ARG WG_GO=12269c2761734b15625017d8565745096325392f
ADD https://git.zx2c4.com/wireguard-go.git#${WG_GO} /src
RUN cd /src && CGO_ENABLED=0 go build -o /wireguard-go

FROM alpine:3.20 AS tools
RUN apk add --no-cache build-base linux-headers
ADD --keep-git-dir=false https://git.zx2c4.com/wireguard-tools#v1.0.20210914 /src
RUN make -C /src/src install DESTDIR=/t WITH_WGQUICK=yes

FROM alpine:3.20
RUN apk add --no-cache bash iptables openresolv
COPY --from=go /wireguard-go /usr/bin/
COPY --from=tools /t /
ENV WG_QUICK_USERSPACE_IMPLEMENTATION=wireguard-go LOG_LEVEL=error
EXPOSE 51820/udp
ENTRYPOINT ["wg-quick"]
CMD ["up", "wg0"]
