FROM litestream/litestream:0.3.13 AS litestream
FROM alpine:3.20 AS certs
RUN apk add --no-cache ca-certificates tzdata
FROM scratch
COPY --link --from=litestream /usr/local/bin/litestream /bin/litestream
COPY --link --from=certs /etc/ssl/certs/ /etc/ssl/certs/
COPY --link --from=certs /usr/share/zoneinfo /usr/share/zoneinfo
COPY --link --chmod=444 litestream.yml /etc/
ENTRYPOINT ["/bin/litestream"]
CMD ["replicate"]
