FROM python:3.12
COPY --chown=1000 --chown=1000:1000 . /app
