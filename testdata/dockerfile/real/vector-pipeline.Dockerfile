FROM timberio/vector:0.42.0-distroless-static AS vector
FROM alpine:3.20 AS lint
COPY --from=vector /usr/bin/vector /usr/bin/
COPY pipelines/*.yaml /etc/vector/
COPY tests/*.toml /tests/
RUN vector validate --no-environment /etc/vector/*.yaml && vector test /etc/vector/*.yaml /tests/*.toml
FROM vector
COPY --from=lint /etc/vector /etc/vector
EXPOSE 8686 9000/udp
CMD ["--config-dir", "/etc/vector", "--watch-config"]
