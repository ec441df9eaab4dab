FROM prom/prometheus:v2.55.1 AS check
COPY prometheus.yml /etc/prometheus/
COPY rules /etc/prometheus/rules
RUN ["/bin/promtool", "check", "config", "/etc/prometheus/prometheus.yml"]
RUN ["/bin/promtool", "check", "rules", "/etc/prometheus/rules/slo.yml", "/etc/prometheus/rules/node.yml"]

FROM check AS test
COPY tests /tests
RUN ["/bin/promtool", "test", "rules", "/tests/slo_test.yml"]

FROM prom/prometheus:v2.55.1
COPY --from=check /etc/prometheus /etc/prometheus
CMD ["--config.file=/etc/prometheus/prometheus.yml", \
     "--storage.tsdb.path=/prometheus", \
     "--storage.tsdb.retention.time=15d", \
     "--web.enable-lifecycle"]
