# syntax=docker/dockerfile:1
ARG RUST=1.82
FROM rust:${RUST}-bookworm AS chef
RUN cargo install cargo-chef --locked --version 0.1.68
WORKDIR /src

FROM chef AS planner
COPY . .
RUN cargo chef prepare --recipe-path recipe.json

FROM chef AS compile
ARG SQLX_OFFLINE=true
ENV SQLX_OFFLINE=$SQLX_OFFLINE
COPY --from=planner /src/recipe.json .
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    cargo chef cook --release --recipe-path recipe.json
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    cargo build --release --bin gateway

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends libssl3 ca-certificates \
 && rm -rf /var/lib/apt/lists/*
COPY --from=compile --chmod=0755 /src/target/release/gateway /usr/local/bin/
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["gateway"]
