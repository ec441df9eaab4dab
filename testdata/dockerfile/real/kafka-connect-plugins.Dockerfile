FROM confluentinc/cp-kafka-connect-base:7.7.1 AS hub
RUN confluent-hub install --no-prompt debezium/debezium-connector-postgresql:2.5.4 \
 && confluent-hub install --no-prompt confluentinc/kafka-connect-s3:10.5.17
FROM confluentinc/cp-kafka-connect-base:7.7.1
COPY --from=hub --chown=appuser:appuser /usr/share/confluent-hub-components/ /usr/share/confluent-hub-components/
RUN --mount=type=secret,id=truststore,target=/etc/ssl/truststore.jks,uid=1000,gid=1000,mode=0440 \
    keytool -list -keystore /etc/ssl/truststore.jks
ENV CONNECT_PLUGIN_PATH=/usr/share/java,/usr/share/confluent-hub-components
