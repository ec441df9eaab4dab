FROM balabit/syslog-ng:4.8.1
COPY <<EOF /etc/syslog-ng/conf.d/remote.conf
source s_net { network(ip("0.0.0.0") port(${SYSLOG_PORT:-601}) transport("tcp")); };
destination d_file { file("/var/log/remote/\${HOST}/\${YEAR}-\${MONTH}.log" create-dirs(yes)); };
log { source(s_net); destination(d_file); };
EOF
expose 514/udp 601/tcp 6514/tcp
healthcheck --interval=2m --timeout=3s cmd /usr/sbin/syslog-ng-ctl stats || exit 1
