FROM golang:1.23
WORKDIR /src
RUN --mount=type=caches,target=/go/pkg/mod go mod download
