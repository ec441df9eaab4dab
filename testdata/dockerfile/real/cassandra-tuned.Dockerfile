FROM cassandra:4.1
ENV MAX_HEAP_SIZE=2G HEAP_NEWSIZE=400M
RUN sed -i \
      -e 's/^# \(concurrent_compactors:\).*/\1 2/' \
      -e "s/^\(compaction_throughput:\).*/\1 64MiB\/s/" \
      "$CASSANDRA_CONF/cassandra.yaml"
COPY jmx.password /etc/cassandra/
RUN chown cassandra: /etc/cassandra/jmx.password && chmod 400 /etc/cassandra/jmx.password
HEALTHCHECK --interval=30s --timeout=10s --start-period=2m --start-interval=5s --retries=5 CMD ["nodetool", "status"]
