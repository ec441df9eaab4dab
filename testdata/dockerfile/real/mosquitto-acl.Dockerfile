FROM eclipse-mosquitto:2
USER 1883
COPY --chown=1883:1883 mosquitto.conf acl passwd /mosquitto/config/
VOLUME ["/mosquitto/data", "/mosquitto/log"]
EXPOSE 1883 8883 9001
