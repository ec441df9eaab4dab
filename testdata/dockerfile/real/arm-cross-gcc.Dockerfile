FROM --platform=$BUILDPLATFORM debian:bookworm AS cross
ARG TARGETARCH
ARG TARGETVARIANT
RUN <<EOF
set -e
case "$TARGETARCH$TARGETVARIANT" in
  amd64) triple=x86_64-linux-gnu ;;
  arm64) triple=aarch64-linux-gnu ;;
  armv7) triple=arm-linux-gnueabihf ;;
  *) echo "no toolchain for $TARGETARCH$TARGETVARIANT" >&2; exit 1 ;;
esac
apt-get update
apt-get install -y --no-install-recommends "crossbuild-essential-$(dpkg-architecture -A${TARGETARCH} -qDEB_HOST_ARCH)" make
echo "$triple" > /triple
EOF
COPY src /src
RUN make -C /src CC="$(cat /triple)-gcc" LDFLAGS=-static

FROM scratch
COPY --from=cross /src/daemon /daemon
ENTRYPOINT ["/daemon"]
