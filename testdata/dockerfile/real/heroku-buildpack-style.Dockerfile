ARG STACK=24
FROM heroku/heroku:${STACK}-build AS build
ARG STACK
ENV STACK=heroku-${STACK} CURL_CONNECT_TIMEOUT=3
RUN mkdir -p /tmp/app /tmp/cache /tmp/env
COPY --link . /tmp/app
RUN --mount=type=cache,target=/tmp/cache,id=buildpack-cache-${STACK} \
    /buildpack/bin/detect /tmp/app && /buildpack/bin/compile /tmp/app /tmp/cache /tmp/env
FROM heroku/heroku:${STACK}
COPY --from=build --chown=dyno /tmp/app /app
USER dyno
ENV HOME=/app PORT=5000
CMD bash -lc 'exec $(grep ^web: Procfile | cut -d: -f2-)'
