# check=error=true
FROM golang:1.23-alpine AS go-plugins
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache <<EOT
  set -e
  go install google.golang.org/protobuf/cmd/protoc-gen-go@v1.35.1
  go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.5.1
  go install github.com/bufbuild/buf/cmd/buf@v1.46.0
EOT

FROM rust:1.82-alpine AS rust-plugins
RUN apk add --no-cache musl-dev
RUN cargo install --root /out protoc-gen-prost protoc-gen-tonic

FROM alpine:3.20 AS protoc
ARG TARGETARCH
ARG PROTOC=28.3
RUN case "${TARGETARCH}" in \
      amd64) a=x86_64 ;; \
      arm64) a=aarch_64 ;; \
      *) echo "no protoc for ${TARGETARCH}"; exit 1 ;; \
    esac; \
    wget -qO /tmp/p.zip "https://github.com/protocolbuffers/protobuf/releases/download/v${PROTOC}/protoc-${PROTOC}-linux-${a}.zip" \
    && unzip -q /tmp/p.zip -d /protoc

FROM alpine:3.20
RUN apk add --no-cache gcompat libgcc
COPY --from=protoc      /protoc/bin/protoc         /usr/bin/
COPY --from=protoc      /protoc/include            /usr/include/
COPY --from=go-plugins  /go/bin/                   /usr/bin/
COPY --from=rust-plugins /out/bin/                 /usr/bin/
WORKDIR /defs
ENTRYPOINT ["/usr/bin/protoc", "-I/usr/include", "-I."]
