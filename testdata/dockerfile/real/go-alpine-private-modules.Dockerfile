# syntax=docker/dockerfile:1.7-labs
FROM golang:1.23-alpine AS mod
RUN apk add --no-cache git openssh-client ca-certificates
ENV GOPRIVATE=git.example.com/*
RUN git config --global url."ssh://git@git.example.com/".insteadOf https://git.example.com/ \
  && mkdir -p -m 0700 ~/.ssh && ssh-keyscan git.example.com >> ~/.ssh/known_hosts
WORKDIR /src
RUN --mount=type=bind,source=go.sum,target=go.sum \
    --mount=type=bind,source=go.mod,target=go.mod \
    --mount=type=cache,target=/go/pkg/mod/ \
    --mount=type=ssh,id=default,required=true \
    go mod download -x
FROM mod AS compile
ARG LDFLAGS="-s -w"
ARG VERSION=dev COMMIT=none
RUN --mount=type=bind,target=. \
    --mount=type=cache,target=/root/.cache/go-build \
    --mount=type=cache,target=/go/pkg/mod/ \
    CGO_ENABLED=0 go build -ldflags "${LDFLAGS} -X main.version=${VERSION} -X main.commit=${COMMIT}" -o /bin/ledgerd ./cmd/ledgerd
FROM gcr.io/distroless/static:nonroot
COPY --link --from=compile /bin/ledgerd /
ENTRYPOINT ["/ledgerd"]
