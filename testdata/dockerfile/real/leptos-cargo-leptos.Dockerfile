FROM rustlang/rust:nightly-alpine AS builder
RUN apk update && apk add --no-cache bash curl npm libc-dev binaryen
RUN rustup target add wasm32-unknown-unknown
WORKDIR /work
COPY . .
RUN --mount=type=cache,target=/work/target,id=leptos,sharing=locked cargo leptos build --release -vv && cp -r target/site target/release/web /keep/
FROM alpine:3.20 AS runner
WORKDIR /app
COPY --from=builder /keep/web /app/
COPY --from=builder /keep/site /app/site
ENV RUST_LOG="info" \
    LEPTOS_SITE_ADDR="0.0.0.0:8080" \
    LEPTOS_SITE_ROOT=./site
CMD ["/app/web"]
