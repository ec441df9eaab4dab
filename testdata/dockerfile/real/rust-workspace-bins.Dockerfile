FROM rust:1.82-bookworm AS build
ARG PROFILE=release
ARG FEATURES=default
WORKDIR /ws
RUN --mount=type=bind,target=. \
    --mount=type=cache,id=cargo-registry,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,id=cargo-git,target=/usr/local/cargo/git/db \
    --mount=type=cache,id=target-$PROFILE,target=/target <<'SH'
set -ex
export CARGO_TARGET_DIR=/target
case $PROFILE in dev) out=debug ;; *) out=$PROFILE ;; esac
cargo build --locked --workspace --bins --profile "$PROFILE" --features "$FEATURES"
mkdir /bins
find "/target/$out" -maxdepth 1 -type f -executable -exec cp -t /bins {} +
SH

FROM gcr.io/distroless/cc-debian12:nonroot AS gateway
COPY --from=build /bins/gateway /
ENTRYPOINT ["/gateway"]

FROM gcr.io/distroless/cc-debian12:nonroot AS indexer
COPY --from=build /bins/indexer /
ENTRYPOINT ["/indexer"]
CMD ["--once"]

FROM gcr.io/distroless/cc-debian12:debug AS all-in-one
COPY --from=build /bins /usr/local/bin
SHELL ["/busybox/sh", "-c"]
CMD for b in gateway indexer; do /usr/local/bin/$b & done; wait
