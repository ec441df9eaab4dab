FROM --platform=$BUILDPLATFORM alpine:3.20 AS zig
ARG ZIG=0.13.0
ARG BUILDARCH
RUN apk add --no-cache curl xz minisign
RUN arch=$(echo "$BUILDARCH" | sed 's/amd64/x86_64/;s/arm64/aarch64/') && \
    curl -fsSL "https://ziglang.org/download/$ZIG/zig-linux-$arch-$ZIG.tar.xz" | tar -xJ -C /opt && \
    ln -s /opt/zig-linux-$arch-$ZIG/zig /usr/bin/zig
FROM --platform=$BUILDPLATFORM zig AS build
ARG TARGETOS TARGETARCH TARGETVARIANT=
WORKDIR /src
COPY build.zig build.zig.zon ./
COPY src/ src/
RUN <<-EOT sh -ex
	case "$TARGETARCH$TARGETVARIANT" in
	  amd64) t=x86_64 ;;
	  arm64) t=aarch64 ;;
	  armv7) t=arm ;;
	  riscv64) t=riscv64 ;;
	esac
	zig build -Dtarget=$t-$TARGETOS-musl -Doptimize=ReleaseSmall --prefix /out
	EOT
FROM scratch
COPY --from=build /out/bin/ /
ENTRYPOINT ["/relay"]
