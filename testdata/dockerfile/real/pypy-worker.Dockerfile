FROM pypy:3.10-slim as wheels
COPY requirements.txt .
RUN pypy3 -m pip wheel --wheel-dir /wheels -r requirements.txt
FROM pypy:3.10-slim
RUN --mount=from=wheels,source=/wheels,target=/wheels \
    --mount=type=bind,src=requirements.txt,dst=/requirements.txt,ro \
    pypy3 -m pip install --no-index --find-links=/wheels -r /requirements.txt
COPY worker /opt/worker/
CMD ["pypy3", "-m", "worker"]
WORKDIR /opt
