FROM ghcr.io/cross-rs/armv7-unknown-linux-gnueabihf:0.2.5

ENV PKG_CONFIG_ALLOW_CROSS="true" \
    PKG_CONFIG_PATH="/usr/lib/arm-linux-gnueabihf/pkgconfig/:${PKG_CONFIG_PATH}" \
    RUSTFLAGS="-L /usr/lib/arm-linux-gnueabihf -C link-args=-Wl,-rpath-link,/usr/lib/arm-linux-gnueabihf" \
    CARGO_TARGET_ARMV7_UNKNOWN_LINUX_GNUEABIHF_RUNNER="qemu-arm -L /usr/arm-linux-gnueabihf"

RUN dpkg --add-architecture armhf
RUN apt-get update && apt-get -y install libasound2-dev:armhf libudev-dev:armhf libssl-dev:armhf
