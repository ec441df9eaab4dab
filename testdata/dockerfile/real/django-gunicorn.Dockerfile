FROM python:3.12-slim-bookworm AS python-base
ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=on \
    POETRY_HOME="/opt/poetry" \
    VENV_PATH="/opt/pysetup/.venv"
ENV PATH="$POETRY_HOME/bin:$VENV_PATH/bin:$PATH"

FROM python-base AS builder-base
ARG POETRY_VERSION=1.8.4
RUN apt-get update && apt-get install --no-install-recommends -y curl build-essential
RUN --mount=type=cache,target=/root/.cache curl -sSL https://install.example.org | python3 -
WORKDIR /opt/pysetup
COPY poetry.lock pyproject.toml ./
RUN poetry install --only main

FROM python-base AS development
ENV DJANGO_DEBUG=1
WORKDIR /opt/pysetup
COPY --from=builder-base $POETRY_HOME $POETRY_HOME
COPY --from=builder-base $VENV_PATH $VENV_PATH
RUN poetry install
EXPOSE 8000
CMD ["./manage.py", "runserver", "0.0.0.0:8000"]

FROM python-base AS production
ARG DJANGO_SECRET_KEY=build-only
COPY --from=builder-base $VENV_PATH $VENV_PATH
COPY ./src /srv
WORKDIR /srv
RUN DJANGO_SECRET_KEY=$DJANGO_SECRET_KEY ./manage.py collectstatic --noinput
CMD gunicorn -w ${WORKERS:-3} -b 0.0.0.0:$PORT config.wsgi
