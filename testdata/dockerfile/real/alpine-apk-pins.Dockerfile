FROM alpine:3.20
LABEL org.opencontainers.image.title="toolbox" \
      org.opencontainers.image.licenses="Apache-2.0 OR MIT"
RUN apk add --no-cache \
    bash~=5 \
    'curl>8' \
    jq=1.7.1-r0 \
    tini
COPY entry.sh /usr/local/bin/entry
RUN chmod 0755 /usr/local/bin/entry
ENTRYPOINT ["/sbin/tini", "--", "entry"]
CMD ["help"]
