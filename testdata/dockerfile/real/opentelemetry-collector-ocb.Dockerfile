FROM --platform=${BUILDPLATFORM} golang:1.23-bookworm AS build
ARG TARGETOS TARGETARCH TARGETVARIANT
ARG OCB=0.112.0
RUN --mount=type=cache,target=/root/.cache/go-build \
    --mount=type=cache,dst=/go/pkg/mod \
    GOFLAGS=-mod=mod go install go.opentelemetry.io/collector/cmd/builder@v${OCB}
WORKDIR /src
COPY builder-config.yaml .
RUN --mount=type=cache,target=/root/.cache/go-build \
    --mount=type=cache,dst=/go/pkg/mod \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH GOARM=${TARGETVARIANT#v} \
    builder --config builder-config.yaml --ldflags="-s -w"

FROM gcr.io/distroless/static-debian12:latest
COPY --from=build --chmod=0755 /src/_build/otelcol-custom /otelcol
COPY config.yaml /etc/otelcol/config.yaml
ARG USER_UID=10001
USER ${USER_UID}
ENTRYPOINT ["/otelcol"]
CMD ["--config", "/etc/otelcol/config.yaml"]
EXPOSE 4317 4318 55678-55680 13133/TCP
