FROM zabbix/zabbix-agent2:7.0-ubuntu-latest
USER root
RUN apt-get update && \
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends smartmontools sudo && \
    echo 'zabbix ALL=(ALL) NOPASSWD: /usr/sbin/smartctl' > /etc/sudoers.d/zabbix
COPY *.conf /etc/zabbix/zabbix_agent2.d/
USER 1997
HEALTHCHECK --interval=10s --retry=3 CMD zabbix_agent2 -t agent.ping
