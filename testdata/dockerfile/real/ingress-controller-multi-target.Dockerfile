FROM --platform=${BUILDPLATFORM:-linux/amd64} golang:1.23 AS builder
ARG VERSION
ARG TARGETOS TARGETARCH
WORKDIR /go/src/ctrl
COPY . .
RUN make build VERSION="$VERSION"
FROM nginx:1.27 AS container
COPY --from=builder /go/src/ctrl/bin /
FROM nginx:1.27 AS local
COPY nginx-ingress /
FROM scratch AS debug
COPY --from=builder /go/bin/dlv /
FROM ${BUILD_TARGET:-container} AS final
USER 101
ENTRYPOINT ["/nginx-ingress"]
