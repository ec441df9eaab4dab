ARG HUGO=0.136.5
FROM ghcr.io/gohugoio/hugo:v${HUGO} AS hugo
WORKDIR /project
USER root
COPY --exclude=public/ --exclude=*.draft.md --exclude=!keep.draft.md . .
ARG BASE_URL=https://blog.example.org/
ARG ENVIRONMENT=production
RUN hugo --minify --gc --baseURL "$BASE_URL" --environment "$ENVIRONMENT"

FROM caddy:2.8
COPY --from=hugo /project/public /usr/share/caddy
