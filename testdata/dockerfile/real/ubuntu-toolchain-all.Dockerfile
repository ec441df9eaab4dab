# syntax=docker/dockerfile:1.10
# check=skip=JSONArgsRecommended

##############################################################################
#  Everything that the build farm needs, in one file:
#
#    docker buildx build --target=agent .            the image of the agents
#    docker buildx build --target=cross-arm64 .      a cross compiler only
#    docker buildx build --target=sbom -o out .      list of what is inside
#
#  Versions are kept here and nowhere else; renovate reads the comments.
##############################################################################

# UBUNTU is the release below everything
ARG UBUNTU=24.04

# renovate: datasource=github-releases depName=llvm/llvm-project
ARG LLVM=19
# renovate: datasource=gcc
ARG GCC=14
# renovate: datasource=github-releases depName=Kitware/CMake
ARG CMAKE=3.30.5
# renovate: datasource=github-releases depName=ninja-build/ninja
ARG NINJA=1.12.1
# renovate: datasource=github-releases depName=mesonbuild/meson
ARG MESON=1.6.0
# renovate: datasource=github-releases depName=bazelbuild/bazelisk
ARG BAZELISK=1.22.1
# renovate: datasource=golang-version
ARG GO=1.23.2
# renovate: datasource=rust-version
ARG RUST=1.82.0
# renovate: datasource=node-version
ARG NODE=22.11.0
# renovate: datasource=github-releases depName=astral-sh/uv
ARG UV=0.5.1
# renovate: datasource=java-version depName=java-jdk
ARG JAVA=21
# renovate: datasource=github-releases depName=gradle/gradle
ARG GRADLE=8.10.2
# renovate: datasource=maven
ARG MAVEN=3.9.9
# renovate: datasource=github-releases depName=ccache/ccache
ARG CCACHE=4.10.2
# renovate: datasource=github-releases depName=mozilla/sccache
ARG SCCACHE=0.8.2
# renovate: datasource=github-releases depName=rui314/mold
ARG MOLD=2.34.1
# renovate: datasource=github-releases depName=protocolbuffers/protobuf
ARG PROTOC=28.3
# renovate: datasource=github-tags depName=swig/swig
ARG SWIG=4.3.0
# renovate: datasource=github-releases depName=doxygen/doxygen
ARG DOXYGEN=1.12.0
# renovate: datasource=github-releases depName=anchore/syft
ARG SYFT=v1.16.0

# Where downloads come from; a mirror inside the company may be given
ARG GITHUB=https://github.com
ARG MIRROR

##############################################################################
#  The ground floor
##############################################################################

# ground has a package manager that keeps what it downloads
FROM ubuntu:${UBUNTU} AS ground
SHELL ["/bin/bash", "-euxo", "pipefail", "-c"]
ENV DEBIAN_FRONTEND=noninteractive \
    LANG=C.UTF-8 \
    LC_ALL=C.UTF-8
ARG MIRROR
RUN <<EOF
rm -f /etc/apt/apt.conf.d/docker-clean
printf 'Binary::apt::APT::Keep-Downloaded-Packages "true";\nAPT::Install-Recommends "false";\n' > /etc/apt/apt.conf.d/99farm
if [ -n "${MIRROR:-}" ]; then
  sed -i "s|http://archive.ubuntu.com/ubuntu|$MIRROR|" /etc/apt/sources.list.d/ubuntu.sources
fi
EOF
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,target=/var/lib/apt,sharing=locked \
    apt-get update && apt-get install -y ca-certificates curl gnupg xz-utils unzip zstd

# builder can compile from source
FROM ground AS builder
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,target=/var/lib/apt,sharing=locked \
    apt-get update && apt-get install -y build-essential autoconf automake bison flex libtool pkg-config python3
ENV MAKEFLAGS=-j8 DESTDIR=/out
WORKDIR /build

# fetch downloads; its shell has helper functions
FROM ground AS fetch
COPY --chmod=0755 <<-'SCRIPT' /usr/local/bin/fetch
	#!/bin/bash
	# fetch URL SHA256|- DIRECTORY [STRIP]
	set -euo pipefail
	url=$1 sum=$2 to=$3 strip=${4:-1}
	file=$(mktemp)
	curl -fsSL --retry 5 --retry-all-errors -o "$file" "$url"
	if [[ $sum != - ]]; then
		echo "$sum  $file" | sha256sum --check --status || {
			echo "$url: wrong checksum" >&2
			exit 1
		}
	fi
	mkdir -p "$to"
	case $url in
		*.zip) unzip -q "$file" -d "$to" ;;
		*.tar.* | *.tgz) tar -xf "$file" -C "$to" --strip-components="$strip" ;;
		*) install -m 0755 "$file" "$to" ;;
	esac
	rm "$file"
	SCRIPT

##############################################################################
#  Compilers
##############################################################################

# llvm comes from the project's own archive
FROM ground AS llvm
ARG LLVM
ARG UBUNTU
RUN <<EOF
codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
curl -fsSL https://apt.llvm.org/llvm-snapshot.gpg.key -o /etc/apt/trusted.gpg.d/llvm.asc
echo "deb http://apt.llvm.org/$codename/ llvm-toolchain-$codename-$LLVM main" > /etc/apt/sources.list.d/llvm.list
EOF
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,target=/var/lib/apt,sharing=locked \
    apt-get update \
    && apt-get install -y \
        clang-${LLVM} \
        clang-format-${LLVM} \
        clang-tidy-${LLVM} \
        # the debugger
        lldb-${LLVM} \
        # the linker
        lld-${LLVM} \
        llvm-${LLVM}-dev \
        libc++-${LLVM}-dev \
        libc++abi-${LLVM}-dev \
        libomp-${LLVM}-dev
RUN for tool in clang clang++ clang-format clang-tidy lldb lld ld.lld llvm-ar llvm-nm llvm-cov llvm-profdata; do \
        ln -sf "/usr/bin/$tool-$LLVM" "/usr/local/bin/$tool"; \
    done

# gcc is the newest that Ubuntu has
FROM ground AS gcc
ARG GCC
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,target=/var/lib/apt,sharing=locked \
    apt-get update && apt-get install -y g++-${GCC} gfortran-${GCC} gdb
RUN update-alternatives --install /usr/bin/gcc gcc /usr/bin/gcc-${GCC} 100 \
        --slave /usr/bin/g++ g++ /usr/bin/g++-${GCC} \
        --slave /usr/bin/gcov gcov /usr/bin/gcov-${GCC} \
        --slave /usr/bin/gfortran gfortran /usr/bin/gfortran-${GCC}

FROM builder AS mold
ARG MOLD GITHUB
ADD ${GITHUB}/rui314/mold.git#v${MOLD} /build
RUN apt-get update && apt-get install -y cmake g++ libzstd-dev && \
    cmake -B o -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX=/usr/local && cmake --build o && cmake --install o

# cross-arm64 compiles for 64-bit ARM
FROM gcc AS cross-arm64
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,target=/var/lib/apt,sharing=locked \
    apt-get update && apt-get install -y crossbuild-essential-arm64 qemu-user
ENV CC=aarch64-linux-gnu-gcc CXX=aarch64-linux-gnu-g++ QEMU_LD_PREFIX=/usr/aarch64-linux-gnu

# cross-armhf compiles for 32-bit ARM
FROM gcc AS cross-armhf
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,target=/var/lib/apt,sharing=locked \
    apt-get update && apt-get install -y crossbuild-essential-armhf qemu-user
ENV CC=arm-linux-gnueabihf-gcc CXX=arm-linux-gnueabihf-g++ QEMU_LD_PREFIX=/usr/arm-linux-gnueabihf

# cross-riscv compiles for RISC-V
FROM gcc AS cross-riscv
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,target=/var/lib/apt,sharing=locked \
    apt-get update && apt-get install -y crossbuild-essential-riscv64 qemu-user
ENV CC=riscv64-linux-gnu-gcc CXX=riscv64-linux-gnu-g++ QEMU_LD_PREFIX=/usr/riscv64-linux-gnu

# cross-windows makes executables for Windows
FROM gcc AS cross-windows
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,target=/var/lib/apt,sharing=locked \
    apt-get update && apt-get install -y mingw-w64 wine64
ENV CC=x86_64-w64-mingw32-gcc \
    CXX=x86_64-w64-mingw32-g++ \
    WINEDEBUG=-all

##############################################################################
#  Build systems
##############################################################################

FROM fetch AS cmake
ARG CMAKE GITHUB TARGETARCH
RUN case "$TARGETARCH" in arm64) a=aarch64 ;; *) a=x86_64 ;; esac; \
    fetch "$GITHUB/Kitware/CMake/releases/download/v$CMAKE/cmake-$CMAKE-linux-$a.tar.gz" - /out/usr/local
RUN rm -rf /out/usr/local/doc /out/usr/local/man

FROM fetch AS ninja
ARG NINJA GITHUB TARGETARCH
RUN fetch "$GITHUB/ninja-build/ninja/releases/download/v$NINJA/ninja-linux$([ "$TARGETARCH" = arm64 ] && echo -aarch64 || true).zip" - /out/usr/local/bin

FROM ground AS meson
ARG MESON
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,target=/var/lib/apt,sharing=locked \
    apt-get update && apt-get install -y python3-pip
RUN pip install --break-system-packages --root /out --prefix /usr/local "meson==${MESON}"

FROM fetch AS bazel
ARG BAZELISK GITHUB
ARG TARGETARCH=amd64
RUN mkdir -p /out/usr/local/bin && \
    fetch "$GITHUB/bazelbuild/bazelisk/releases/download/v$BAZELISK/bazelisk-linux-$TARGETARCH" - /out/usr/local/bin/bazel

FROM builder AS ccache
ARG CCACHE
ARG CCACHE_URL=https://github.com/ccache/ccache/releases/download/v${CCACHE}/ccache-${CCACHE}.tar.xz
ADD ${CCACHE_URL} .
COPY --from=cmake /out/ /
RUN tar -xf ccache-${CCACHE}.tar.xz && cmake -S ccache-${CCACHE} -B o -DENABLE_TESTING=OFF -DREDIS_STORAGE_BACKEND=OFF \
 && cmake --build o && cmake --install o

FROM fetch AS sccache
ARG SCCACHE GITHUB
RUN fetch "$GITHUB/mozilla/sccache/releases/download/v$SCCACHE/sccache-v$SCCACHE-x86_64-unknown-linux-musl.tar.gz" - /tmp/s && install -D /tmp/s/sccache /out/usr/local/bin/sccache

##############################################################################
#  Languages
##############################################################################

FROM fetch AS go
ARG GO
ARG TARGETARCH
RUN fetch https://go.dev/dl/go${GO}.linux-${TARGETARCH:-amd64}.tar.gz - /out/usr/local/go
ENV PATH=/out/usr/local/go/bin:$PATH GOBIN=/out/usr/local/bin
RUN --mount=type=cache,target=/root/go/pkg/mod \
    --mount=type=cache,target=/root/.cache/go-build <<TOOLS
go install golang.org/x/tools/cmd/goimports@latest
go install gotest.tools/gotestsum@v1.12.0
go install github.com/golangci/golangci-lint/cmd/golangci-lint@v1.61.0
TOOLS

FROM ground AS rust
ARG RUST
ENV RUSTUP_HOME=/out/opt/rustup CARGO_HOME=/out/opt/cargo
RUN curl --proto '=https' --tlsv1.2 -fsSL https://sh.rustup.rs | sh -s -- -y --no-modify-path --profile minimal --default-toolchain "$RUST" \
      -c clippy -c rustfmt \
      -t aarch64-unknown-linux-gnu -t x86_64-unknown-linux-musl -t wasm32-unknown-unknown

FROM fetch AS node
ARG NODE
ARG TARGETARCH
RUN fetch "https://nodejs.org/dist/v$NODE/node-v$NODE-linux-${TARGETARCH/amd64/x64}.tar.xz" - /out/usr/local
RUN PATH=/out/usr/local/bin:$PATH npm install --global --prefix /out/usr/local pnpm@9 yarn@1

FROM ghcr.io/astral-sh/uv:${UV} AS uv
FROM ground AS python
COPY --from=uv /uv /uvx /out/usr/local/bin/
ENV UV_PYTHON_INSTALL_DIR=/out/opt/python
RUN /out/usr/local/bin/uv python install 3.10 3.11 3.12 3.13

FROM eclipse-temurin:${JAVA}-jdk-noble AS jdk
FROM fetch AS java
ARG GRADLE
ARG MAVEN
COPY --from=jdk /opt/java/openjdk /out/opt/java
RUN fetch "https://services.gradle.org/distributions/gradle-$GRADLE-bin.zip" - /out/opt \
 && mv /out/opt/gradle-$GRADLE /out/opt/gradle
RUN fetch "https://archive.apache.org/dist/maven/maven-3/$MAVEN/binaries/apache-maven-$MAVEN-bin.tar.gz" - /out/opt/maven

##############################################################################
#  Generators and documentation
##############################################################################

FROM fetch AS protoc
ARG PROTOC GITHUB TARGETARCH
RUN fetch "$GITHUB/protocolbuffers/protobuf/releases/download/v$PROTOC/protoc-$PROTOC-linux-${TARGETARCH//amd64/x86_64}.zip" - /out/usr/local

FROM builder AS swig
ARG SWIG GITHUB
ADD --keep-git-dir=true ${GITHUB}/swig/swig.git#v${SWIG} /build
RUN apt-get update && apt-get install -y libpcre2-dev git && ./autogen.sh && ./configure && make && make install

FROM fetch AS doxygen
ARG DOXYGEN GITHUB
RUN fetch "$GITHUB/doxygen/doxygen/releases/download/Release_${DOXYGEN//./_}/doxygen-$DOXYGEN.linux.bin.tar.gz" - /tmp/d && install -Dt /out/usr/local/bin /tmp/d/bin/doxygen

##############################################################################
#  Put together
##############################################################################

FROM scratch AS tools
COPY --link --from=mold    /out/ /
COPY --link --from=cmake   /out/ /
COPY --link --from=ninja   /out/ /
COPY --link --from=meson   /out/ /
COPY --link --from=bazel   /out/ /
COPY --link --from=ccache  /out/ /
COPY --link --from=sccache /out/ /
COPY --link --from=go      /out/ /
COPY --link --from=rust    /out/ /
COPY --link --from=node    /out/ /
COPY --link --from=python  /out/ /
COPY --link --from=java    /out/ /
COPY --link --from=protoc  /out/ /
COPY --link --from=swig    /out/ /
COPY --link --from=doxygen /out/ /

# everything has the compilers as well
FROM llvm AS everything
COPY --from=gcc /usr/bin/gcc* /usr/bin/g++* /usr/bin/
COPY --link --from=tools / /
ENV JAVA_HOME=/opt/java \
    RUSTUP_HOME=/opt/rustup \
    CARGO_HOME=/opt/cargo \
    GOPATH=/go
ENV PATH=$CARGO_HOME/bin:/usr/local/go/bin:$JAVA_HOME/bin:/opt/gradle/bin:/opt/maven/bin:$GOPATH/bin:$PATH
RUN install -d -m 1777 "$GOPATH" && ldconfig

FROM everything AS check
COPY <<'VERSIONS' /tmp/versions
clang --version
gcc --version
cmake --version
ninja --version
meson --version
go version
rustc --version
node --version
uv --version
java -version
protoc --version
VERSIONS
RUN --network=none while read -r line; do $line; done < /tmp/versions

FROM ghcr.io/anchore/syft:${SYFT} AS syft
FROM everything AS scan
RUN --mount=type=bind,from=syft,source=/syft,target=/usr/local/bin/syft \
    --mount=type=tmpfs,target=/tmp,size=2g \
    syft scan dir:/ -q -o spdx-json=/sbom.json
FROM scratch AS sbom
COPY --from=scan /sbom.json /

##############################################################################
#  Targets that are built on demand
##############################################################################

# wasm carries emscripten beside everything else
FROM emscripten/emsdk:3.1.70 AS emsdk
FROM everything AS wasm
COPY --link --from=emsdk /emsdk /emsdk
ENV EMSDK=/emsdk \
    EM_CACHE=/var/cache/emscripten
ENV PATH=$EMSDK:$EMSDK/upstream/emscripten:$PATH
RUN install -d -m 1777 "$EM_CACHE" && emcc --version

# android: command line tools only, the SDK is mounted by the agents
FROM java AS android
ARG CMDLINE=11076708
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
RUN fetch "https://dl.google.com/android/repository/commandlinetools-linux-${CMDLINE}_latest.zip" - /out/opt/android
RUN yes | JAVA_HOME=/out/opt/java /out/opt/android/cmdline-tools/bin/sdkmanager \
      --sdk_root=/out/opt/android \
      --licenses > /dev/null || true
FROM everything AS everything-android
COPY --link --from=android /out/opt/android /opt/android
ENV ANDROID_HOME=/opt/android ANDROID_SDK_ROOT=/opt/android
ENV PATH=$PATH:$ANDROID_HOME/cmdline-tools/bin:$ANDROID_HOME/platform-tools

# docs renders the handbook of the farm
FROM everything AS docs
WORKDIR /handbook
COPY handbook/ ./
RUN --mount=type=cache,target=/root/.cache/uv uvx --from mkdocs-material mkdocs build --strict --site-dir /site
FROM scratch AS docs-out
COPY --from=docs /site /

# agent is what the farm runs
FROM everything AS agent
ARG AGENT_UID=5000
ARG AGENT_URL=https://ci.example.com
RUN useradd --uid "$AGENT_UID" --create-home --shell /bin/bash agent
COPY --chmod=0755 <<"ENTRY" /usr/local/bin/agent-entrypoint
#!/bin/bash
set -euo pipefail
: "${AGENT_URL:?}" "${AGENT_NAME:=$(hostname)}"
token=$(</run/secrets/agent-token)
exec java -jar /opt/agent/agent.jar -url "$AGENT_URL" -name "$AGENT_NAME" -secret "$token" "$@"
ENTRY
ADD --chown=${AGENT_UID} --chmod=0644 ${AGENT_URL}/jnlpJars/agent.jar /opt/agent/agent.jar
ENV AGENT_URL=${AGENT_URL}
LABEL com.example.farm.role=agent \
      com.example.farm.ubuntu="${UBUNTU}"
USER agent
WORKDIR /home/agent
VOLUME ["/home/agent/.cache", "/home/agent/workspace"]
STOPSIGNAL SIGINT
HEALTHCHECK --interval=1m --timeout=5s --retries=2 CMD pgrep -f agent.jar >/dev/null
ENTRYPOINT ["agent-entrypoint"]
CMD ["-webSocket", "-workDir", "/home/agent/workspace"]
