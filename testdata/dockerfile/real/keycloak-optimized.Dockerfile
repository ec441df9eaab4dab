FROM quay.io/keycloak/keycloak:26.0 AS kc
ENV KC_HEALTH_ENABLED=true KC_METRICS_ENABLED=true KC_DB=postgres
WORKDIR /opt/keycloak
RUN keytool -genkeypair -storepass password -storetype PKCS12 -keyalg RSA -keysize 2048 -dname "CN=server" -alias server -ext "SAN:c=DNS:localhost,IP:127.0.0.1" -keystore conf/server.keystore
ADD --chown=keycloak:keycloak --chmod=644 https://repo.example.org/theme.jar /opt/keycloak/providers/theme.jar
RUN /opt/keycloak/bin/kc.sh build
FROM quay.io/keycloak/keycloak:26.0
COPY --from=kc /opt/keycloak/ /opt/keycloak/
ENV KC_DB_PASSWORD=change_me
ENTRYPOINT ["/opt/keycloak/bin/kc.sh"]
