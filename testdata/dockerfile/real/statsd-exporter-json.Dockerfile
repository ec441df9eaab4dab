FROM prom/statsd-exporter:v0.28.0
COPY mapping.yml /etc/statsd/
EXPOSE 9102 9125/tcp 9125/udp
ENTRYPOINT ["/bin/statsd_exporter", 9125]
