FROM rabbitmq:3.13-management-alpine
ARG DELAYED=3.13.0
RUN apk add --no-cache curl && \
    curl -fsSL https://github.com/rabbitmq/rabbitmq-delayed-message-exchange/releases/download/v${DELAYED}/rabbitmq_delayed_message_exchange-${DELAYED}.ez \
      > $RABBITMQ_HOME/plugins/rabbitmq_delayed_message_exchange-${DELAYED}.ez
RUN rabbitmq-plugins enable --offline rabbitmq_delayed_message_exchange rabbitmq_shovel rabbitmq_prometheus
COPY --chown=rabbitmq:rabbitmq <<EOF /etc/rabbitmq/conf.d/20-cluster.conf
cluster_formation.peer_discovery_backend = dns
cluster_formation.dns.hostname = rabbit.local
vm_memory_high_watermark.relative = 0.6
EOF
EXPOSE 5672 15672 15692
