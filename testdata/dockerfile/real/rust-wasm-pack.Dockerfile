FROM rust:slim AS wasm
RUN rustup target add wasm32-unknown-unknown && cargo install wasm-pack@0.13.1 --locked
WORKDIR /crate
COPY crate .
RUN wasm-pack build --target web --out-dir /pkg -- --features console_error_panic_hook
FROM node:20 AS demo
COPY --from=wasm /pkg /pkg
COPY www /www
RUN cd /www && npm install /pkg && npm run build
FROM busybox
COPY --from=demo /www/dist /www
CMD ["busybox", "httpd", "-f", "-v", "-p", "8000", "-h", "/www"]
EXPOSE 8000
