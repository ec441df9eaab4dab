FROM envoyproxy/envoy:distroless-v1.32.1
COPY envoy.yaml /etc/envoy/envoy.yaml
RUN --mount=type=secret,id=cert,taget=/certs/tls.crt ["/usr/local/bin/envoy", "--mode", "validate", "-c", "/etc/envoy/envoy.yaml"]
EXPOSE 9901 10000
