FROM haproxy:2.9-bookworm
USER root
RUN set -x && \
    apt-get update && \
    apt-get install -y --no-install-recommends lua5.4 lua-json && \
    rm -rf /var/lib/apt/lists/*
COPY --chmod=0644 lua/*.lua /usr/local/share/lua/5.4/
COPY haproxy.cfg /usr/local/etc/haproxy/haproxy.cfg
RUN haproxy -c -f /usr/local/etc/haproxy/haproxy.cfg
USER haproxy
STOPSIGNAL SIGUSR1
