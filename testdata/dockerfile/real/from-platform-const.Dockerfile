FROM --platform=linux/amd64 node:20 AS web
RUN npm ci
FROM --platform=linux/arm64/v8 alpine:3.20 AS arm64-tools
RUN apk add gdb
FROM --platform=$TARGETPLATFORM alpine:3.20
COPY --from=web /app /app
COPY --from=arm64-tools /usr/bin/gdb /usr/bin/gdb
