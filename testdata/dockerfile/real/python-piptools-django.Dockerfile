FROM python:3.11-bullseye AS requirements
RUN pip install 'pip-tools==7.4.1'
COPY requirements/*.in /requirements/
RUN for f in /requirements/*.in; do pip-compile -q --generate-hashes -o "${f%.in}.txt" "$f"; done

FROM python:3.11-slim-bullseye
ARG requirements=prod
COPY --from=requirements /requirements/${requirements}.txt /tmp/requirements.txt
RUN pip install --require-hashes --no-deps -r /tmp/requirements.txt
RUN addgroup --system django && adduser --system --ingroup django django
COPY --chown=django:django --chmod=+x ./compose/entrypoint ./compose/start /
COPY --chown=django:django . /app
USER django
WORKDIR /app
ENV DJANGO_SETTINGS_MODULE=config.settings.$requirements
RUN SECRET_KEY=x DATABASE_URL=sqlite://:memory: python manage.py collectstatic --noinput
ENTRYPOINT ["/entrypoint"]
CMD ["/start"]
