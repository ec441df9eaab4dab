FROM hugomods/hugo:exts-0.136.5 AS site
ARG HUGO_BASEURL
ENV HUGO_BASEURL=${HUGO_BASEURL}
COPY . /src
RUN hugo --minify --enableGitInfo
FROM joseluisq/static-web-server:2
COPY --from=site /src/public /public
