# syntax=docker/dockerfile:1
ARG GO_VERSION=1.23
ARG XX_VERSION=1.5.0
FROM --platform=$BUILDPLATFORM tonistiigi/xx:${XX_VERSION} AS xx
FROM --platform=$BUILDPLATFORM golang:${GO_VERSION}-alpine AS base
COPY --from=xx / /
RUN apk add --no-cache clang lld file git
ENV GOFLAGS=-mod=vendor CGO_ENABLED=1
WORKDIR /src

FROM base AS version
ARG PKG=example.com/agent
RUN --mount=target=. \
  VERSION=$(git describe --match 'v[0-9]*' --dirty='.m' --always --tags) && \
  echo "-X ${PKG}/version.Version=${VERSION}" | tee /tmp/.ldflags

FROM base AS binary
ARG TARGETPLATFORM
RUN xx-apk add musl-dev gcc
RUN --mount=target=. --mount=type=cache,target=/root/.cache \
  --mount=source=/tmp/.ldflags,target=/tmp/.ldflags,from=version \
  xx-go build -ldflags "$(cat /tmp/.ldflags) -w -extldflags -static" -o /out/agent ./cmd/agent && \
  xx-verify --static /out/agent

FROM scratch AS binary-unix
COPY --link --from=binary /out/agent /
FROM binary-unix AS binary-darwin
FROM binary-unix AS binary-linux
FROM scratch AS binary-windows
COPY --link --from=binary /out/agent /agent.exe
FROM binary-$TARGETOS AS release
