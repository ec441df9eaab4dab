FROM ghcr.io/astral-sh/uv:python3.12-bookworm-slim AS uv
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy
WORKDIR /app
# INDEX name of the private index
ARG INDEX=internal
RUN --mount=type=cache,target=/root/.cache/uv \
    --mount=type=bind,source=uv.lock,target=uv.lock \
    --mount=type=bind,source=pyproject.toml,target=pyproject.toml \
    --mount=type=secret,id=index_user,env=UV_INDEX_INTERNAL_USERNAME \
    --mount=type=secret,id=index_password,env=UV_INDEX_INTERNAL_PASSWORD,required \
    uv sync --frozen --no-install-project --no-dev --index $INDEX
COPY . /app
RUN --mount=type=cache,target=/root/.cache/uv \
    --mount=type=secret,id=index_password,env=UV_INDEX_INTERNAL_PASSWORD \
    uv sync --frozen --no-dev
FROM python:3.12-slim-bookworm
COPY --from=uv --chown=app:app /app /app
ENV PATH="/app/.venv/bin:$PATH"
CMD ["gunicorn", "-c", "gunicorn.conf.py", "app.main"]
