FROM rust:1-slim AS tools
RUN cargo install mdbook mdbook-mermaid --locked --root /tools
FROM debian:12-slim AS book
COPY --from=tools /tools/bin /usr/local/bin
COPY . /book
RUN mdbook build /book -d /out
FROM nginx:stable-alpine
COPY --from=book /out /usr/share/nginx/html
