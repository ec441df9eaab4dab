FROM rust:1.82-slim-bookworm AS chef
RUN cargo install cargo-chef --version 0.1.68 --locked
WORKDIR /code

FROM chef AS plan
COPY . .
RUN cargo chef prepare

FROM chef AS cook
COPY --from=plan /code/recipe.json ./
RUN --mount=type=cache,target=/usr/local/cargo/registry cargo chef cook --release --recipe-path=recipe.json

FROM cook AS bin
COPY . .
ENV SQLX_OFFLINE=true
RUN --mount=type=cache,target=/usr/local/cargo/registry cargo install --path crates/newsletter --root /out

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates libssl3 \
    # the lists are only in the way
    && rm -rf /var/lib/apt/lists/*
COPY --from=bin /out/bin/ /usr/local/bin/
COPY settings /etc/newsletter
ENTRYPOINT ["newsletter"]
