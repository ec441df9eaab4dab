# suite and mirror can be changed
FROM debian:12 AS bootstrap
ARG SUITE=bookworm MIRROR=http://deb.example.org/debian
ARG INCLUDE=ca-certificates,locales
ARG TARGETARCH
RUN apt-get update && apt-get install -y debootstrap
RUN debootstrap --variant=minbase --arch=$TARGETARCH --include=$INCLUDE $SUITE /rootfs $MIRROR \
  && rm -rf /rootfs/var/cache/apt/* /rootfs/var/lib/apt/lists/*
FROM scratch
COPY --from=bootstrap /rootfs /
CMD ["bash"]
