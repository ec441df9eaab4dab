FROM crystallang/crystal:1.14-alpine AS cr
WORKDIR /app
COPY shard.yml shard.lock ./
RUN shards install --production
COPY . .
RUN crystal build --release --static --no-debug src/start_server.cr -o start_server
FROM alpine:3.20
COPY --from=cr /app/start_server /app/public /app/
CMD ["/app/start_server"]
