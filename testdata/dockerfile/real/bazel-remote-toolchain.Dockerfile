FROM ubuntu:22.04 AS sysroot
ENV DEBIAN_FRONTEND=noninteractive
RUN apt-get update \
  && apt-get install --yes --no-install-recommends \
       build-essential=12.9ubuntu3 \
       \
       # bazel itself
       curl ca-certificates \
       python3 \
       \
       # what the rules call
       zip unzip patch \
  && rm -rf /var/lib/apt/lists/*

FROM sysroot
ARG BAZELISK=1.22.1
ARG TARGETARCH
ADD --chmod=755 https://github.example.com/bazelisk/v${BAZELISK}/bazelisk-linux-${TARGETARCH} /usr/local/bin/bazel
ENV USE_BAZEL_VERSION=7.4.0
RUN useradd -m -u 4000 bazel
USER bazel
WORKDIR /workspace
ENTRYPOINT ["bazel"]
