FROM debian:bookworm-slim AS unbound
ARG VERSION=1.22.0
ARG SHA256=c5dd1bdef5d5685b2cedb749158dd152c52d44f65529a34ac15cd88d4b1b3d43
SHELL ["/bin/sh", "-eux", "-c"]
ADD --checksum=sha256:$SHA256 https://nlnetlabs.nl/downloads/unbound/unbound-$VERSION.tar.gz /
RUN apt-get update; apt-get install -y --no-install-recommends build-essential libevent-dev libexpat1-dev libssl-dev
RUN tar -xf unbound-$VERSION.tar.gz; cd unbound-$VERSION; \
    ./configure --prefix=/opt/unbound --with-libevent --disable-static; make install; \
    rm -rf /opt/unbound/share /opt/unbound/include
FROM debian:bookworm-slim
COPY --from=unbound /opt/unbound /opt/unbound
RUN adduser --system --no-create-home --group unbound && /opt/unbound/sbin/unbound-anchor -a /opt/unbound/etc/unbound/root.key || true
HEALTHCHECK --interval=30s --timeout=30s --start-period=10s --retries=3 \
  CMD /opt/unbound/sbin/unbound-control status && \
      drill -D @127.0.0.1 example.com | grep -q 'flags:.* ad'
EXPOSE 53 53/udp
CMD /opt/unbound/sbin/unbound -d
