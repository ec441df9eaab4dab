FROM --platform=$BUILDPLATFORM golang:1.23-alpine AS plugins
ARG TARGETOS
ARG TARGETARCH
ENV CGO_ENABLED=0 GOBIN=/plugins
RUN --mount=type=cache,target=/root/.cache/go-build \
    --mount=type=cache,target=/go/pkg/mod \
    GOOS=$TARGETOS GOARCH=$TARGETARCH go install \
      google.golang.org/protobuf/cmd/protoc-gen-go@v1.35.1 \
      google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.5.1 || true
FROM bufbuild/buf:1.46.0 AS buf-bin
FROM alpine:3.20
COPY --from=buf-bin --link /usr/local/bin/buf /usr/local/bin/
COPY --from=plugins --link /plugins/ /usr/local/bin/
WORKDIR /proto
ENTRYPOINT ["buf"]
