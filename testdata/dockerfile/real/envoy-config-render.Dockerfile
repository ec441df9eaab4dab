FROM python:3.11-alpine AS render
RUN pip install jinja2-cli pyyaml
WORKDIR /conf
COPY envoy.yaml.j2 .
# ENVIRONMENT decides on endpoints and certificates
ARG ENVIRONMENT=staging
# ADMIN_PORT port of the admin page; 0 turns it off
ARG ADMIN_PORT=9901
COPY values.${ENVIRONMENT}.yaml values.yaml
RUN jinja2 -D admin_port=${ADMIN_PORT} envoy.yaml.j2 values.yaml > envoy.yaml
FROM envoyproxy/envoy:v1.31.2 AS validate
COPY --from=render /conf/envoy.yaml /etc/envoy/envoy.yaml
RUN envoy --mode validate -c /etc/envoy/envoy.yaml
FROM envoyproxy/envoy:distroless-v1.31.2
COPY --from=validate /etc/envoy/envoy.yaml /etc/envoy/envoy.yaml
ARG ADMIN_PORT=9901
EXPOSE 10000 $ADMIN_PORT/tcp
