FROM ghcr.io/getzola/zola:v0.19.1 AS zola
COPY config.toml /site/config.toml
COPY content /site/content
COPY templates /site/templates
COPY sass /site/sass
COPY static /site/static
WORKDIR /site
RUN ["zola", "build"]
FROM ghcr.io/static-web-server/static-web-server:2-alpine
COPY --from=zola /site/public /public
ENV SERVER_ROOT=/public SERVER_COMPRESSION=true SERVER_CACHE_CONTROL_HEADERS=true
