FROM alpine:3.19 AS tools
RUN apk add curl
FROM alpine:3.20 AS tools
RUN apk add wget
FROM tools
COPY --from=tools /usr/bin/wget /w
