FROM --platform=$BUILDPLATFORM tonistiigi/xx:1.5.0 AS xx
FROM --platform=$BUILDPLATFORM golang:1.23.2-alpine3.20 AS build
RUN apk add clang lld
COPY --from=xx / /
ARG TARGETPLATFORM
RUN xx-apk add musl-dev gcc
WORKDIR /src
RUN --mount=type=bind,source=go.mod,target=go.mod --mount=type=bind,source=go.sum,target=go.sum \
    --mount=type=cache,target=/go/pkg/mod go mod download -x
ARG VERSION=0.0.0-dev
RUN --mount=target=. --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache \
    CGO_ENABLED=1 xx-go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/terraform-provider-shop . && xx-verify /out/*
FROM scratch AS binary
ARG TARGETOS TARGETARCH
ARG VERSION
COPY --from=build /out/terraform-provider-shop /terraform-provider-shop_v${VERSION:-0.0.0-dev}_${TARGETOS}_${TARGETARCH}
