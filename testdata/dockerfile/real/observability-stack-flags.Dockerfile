FROM grafana/grafana-oss:11.3.0
COPY --chown=472:0 --chmod=0644 --link provisioning /etc/grafana/provisioning
COPY --from=grafana/loki:3.2.1 --chown=472:0 /usr/bin/loki /usr/bin/loki
COPY --from=prom/node-exporter:v1.8.2@sha256:4032c6d5bfd752342c3e631c2f1de93ba6b86c41db6b167b9a35372c139e7706 /bin/node_exporter /usr/bin/
COPY --form=grafana/tempo:2.6.1 /tempo /usr/bin/tempo
EXPOSE 3000 3100 9100
