ARG PY_BASE=3.11-slim
FROM python:$PY_BASE AS builder
RUN pip install -U pdm
ENV PDM_CHECK_UPDATE=false
COPY pyproject.toml pdm.lock README.md /project/
COPY src/ /project/src
WORKDIR /project
RUN pdm install --check --prod --no-editable

FROM python:$PY_BASE
COPY --from=builder /project/.venv/ /project/.venv
ENV PATH="/project/.venv/bin:$PATH"
ENV FLASK_APP=app:create_app() FLASK_DEBUG=
EXPOSE 5000/tcp
COPY src /project/src
CMD ["flask", "run", "--host=0.0.0.0"]
