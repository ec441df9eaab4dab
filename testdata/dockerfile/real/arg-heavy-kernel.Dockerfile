FROM gcc:13 AS toolchain
ARG KVER=6.6.59
ARG KARCH=x86_64 CROSS_COMPILE=
ARG CONFIG_FRAGMENTS="base.config net.config"
ARG JOBS
ARG KBUILD_BUILD_USER=builder KBUILD_BUILD_HOST=ci KBUILD_BUILD_TIMESTAMP=@0
ARG LOCALVERSION="-lab"
ENV ARCH=$KARCH
WORKDIR /usr/src
ADD --checksum=sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef https://cdn.example.org/linux-${KVER}.tar.xz linux.tar.xz
RUN tar xf linux.tar.xz --strip-components=1
COPY fragments/ fragments/
RUN scripts/kconfig/merge_config.sh -m $(for f in $CONFIG_FRAGMENTS; do echo fragments/$f; done) \
 && make olddefconfig \
 && make -j${JOBS:-$(nproc)} bzImage modules
FROM scratch AS artifacts
COPY --from=toolchain /usr/src/arch/x86/boot/bzImage /
COPY --from=toolchain /usr/src/modules.tar /
