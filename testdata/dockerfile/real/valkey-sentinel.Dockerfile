FROM valkey/valkey:8.0-alpine
ENV QUORUM=2 DOWN_AFTER=5000
COPY --chown=999:1000 <<EOF1 <<EOF2 /etc/valkey/
sentinel monitor main ${MASTER:-valkey-0} 6379 ${QUORUM}
sentinel down-after-milliseconds main ${DOWN_AFTER}
EOF1
maxmemory-policy allkeys-lru
save ""
EOF2
RUN mv /etc/valkey/EOF1 /etc/valkey/sentinel.conf && mv /etc/valkey/EOF2 /etc/valkey/valkey.conf
EXPOSE 26379
CMD [ "valkey-sentinel", "/etc/valkey/sentinel.conf" ]
