FROM debian:12-slim AS venv
RUN apt-get update && apt-get install -y --no-install-recommends gcc python3-dev python3-venv
RUN python3 -m venv --copies /opt/venv
COPY constraints.txt requirements.txt /tmp/
RUN /opt/venv/bin/pip install -c /tmp/constraints.txt -r /tmp/requirements.txt && find /opt/venv -name __pycache__ -prune -exec rm -r {} +

FROM gcr.io/distroless/python3-debian12@sha256:5a1ab8d6b6ce9b8e0f2dbb3e7f4b6b4e1cd5c6c2b5a37f0b0bb3f95a6d5a4b12
COPY --from=venv /opt/venv /opt/venv
COPY exporter /opt/exporter
ENV PYTHONPATH=/opt
ENTRYPOINT ["/opt/venv/bin/python3", "-m", "exporter"]
