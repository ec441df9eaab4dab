FROM ghcr.io/quarto-dev/quarto:1.5.57 AS render
COPY _quarto.yml *.qmd references.bib /docs/
COPY posts /docs/posts
WORKDIR /docs
RUN --network=none quarto render --to html
FROM caddy:2.8-alpine
COPY --from=render /docs/_site /srv
RUN echo ":80 { root * /srv
    file_server
    encode zstd gzip
}" > /etc/caddy/Caddyfile
