FROM rust:1.83-alpine3.20 AS build
RUN apk add --no-cache musl-dev ca-certificates
RUN adduser -D -H -u 10001 -s /sbin/nologin app
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
RUN mkdir src && echo 'fn main() {}' >src/main.rs && cargo build --release && rm -rf src
COPY src src
RUN touch src/main.rs && cargo build --release --offline

FROM scratch
COPY --from=build /etc/passwd /etc/passwd
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /src/target/release/tinyd /tinyd
USER app
ENV RUST_LOG=info,tinyd=debug
EXPOSE 7878
ENTRYPOINT ["/tinyd", "--listen", "0.0.0.0:7878"]
