FROM zookeeper:3.9.2-jre-17
ENV ZOO_4LW_COMMANDS_WHITELIST=srvr,ruok,mntr ZOO_ADMINSERVER_ENABLED=false \
    ZOO_STANDALONE_ENABLED=false
COPY --chmod=755 ready.sh /usr/local/bin/ready
HEALTHCHECK --interval=20s --timeout=4s --start-period=1m30s --start-interval=2s --retries=6 CMD [ "ready" ]
EXPOSE 2181 2888 3888 ${METRICS_PORT:-7000}
