FROM hashicorp/consul-template:0.39 AS ct
FROM haproxy:3.0-alpine
USER root
COPY --from=ct /bin/consul-template /usr/local/bin/consul-template
COPY haproxy.ctmpl /etc/haproxy/haproxy.ctmpl
RUN <<EOF cat > /entry.sh && chmod +x /entry.sh
#!/bin/sh
exec consul-template -template "/etc/haproxy/haproxy.ctmpl:/etc/haproxy/haproxy.cfg:kill -USR2 1"
EOF
USER haproxy
ENTRYPOINT ["/entry.sh"]
