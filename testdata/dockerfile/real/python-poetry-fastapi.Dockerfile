ARG PYTHON=3.12
ARG POETRY=1.8.4

FROM python:${PYTHON}-slim-bookworm AS python
ENV PYTHONUNBUFFERED=1 \
    PYTHONFAULTHANDLER=1 \
    \
    PIP_NO_INPUT=1 \
    \
    VIRTUAL_ENV=/venv
ENV PATH=$VIRTUAL_ENV/bin:$PATH

FROM python AS packages
ARG POETRY
RUN python -m venv $VIRTUAL_ENV && python -m venv /poetry && /poetry/bin/pip install "poetry==${POETRY}"
WORKDIR /build
COPY pyproject.toml poetry.lock ./
RUN --mount=type=cache,target=/root/.cache/pypoetry /poetry/bin/poetry install --only=main --no-root --no-interaction

FROM packages AS test
RUN --mount=type=cache,target=/root/.cache/pypoetry /poetry/bin/poetry install --with=dev --no-root --no-interaction
COPY . .
RUN pytest -q

FROM python
COPY --from=packages $VIRTUAL_ENV $VIRTUAL_ENV
COPY src/orders /opt/orders
WORKDIR /opt
EXPOSE 8000
CMD ["uvicorn", "orders.main:app", "--host=0.0.0.0", "--proxy-headers", "--forwarded-allow-ips=*"]
