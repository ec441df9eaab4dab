FROM alpine:3.20.3 AS build
ARG VERSION=1.23.1
ARG SHA256=1963b497231d9a560a62d266e4a2eae6881ab401853d93e5d292c3740eec5084
RUN apk add --no-cache build-base c-ares-dev libevent-dev openssl-dev pkgconf
ADD --checksum=sha256:${SHA256} https://www.pgbouncer.org/downloads/files/${VERSION}/pgbouncer-${VERSION}.tar.gz /tmp/src.tgz
RUN tar -C /tmp -xzf /tmp/src.tgz \
 && cd /tmp/pgbouncer-${VERSION} \
 && ./configure --prefix=/usr --with-cares \
 && make && make install DESTDIR=/dest

FROM alpine:3.20.3
RUN apk add --no-cache c-ares libevent openssl && addgroup -S pgbouncer && adduser -S -G pgbouncer pgbouncer
COPY --from=build /dest/usr/bin/pgbouncer /usr/bin/
COPY --chmod=0700 entrypoint.sh /
USER pgbouncer:pgbouncer
VOLUME /etc/pgbouncer
EXPOSE 6432
ENTRYPOINT ["/entrypoint.sh"]
CMD ["/usr/bin/pgbouncer", "/etc/pgbouncer/pgbouncer.ini"]
