ARG PHP_VERSION=8.3

FROM oven/bun:1.1 AS assets
WORKDIR /app
COPY package.json bun.lockb vite.config.js ./
RUN bun install --frozen-lockfile
COPY resources resources
RUN bun run build

FROM dunglas/frankenphp:1.3-php${PHP_VERSION}-bookworm
ARG WWWUSER=1000 WWWGROUP=1000 TZ=UTC
ENV TERM=xterm-color OCTANE_SERVER=frankenphp TZ=${TZ} USER=octane ROOT=/var/www/html \
    COMPOSER_FUND=0 COMPOSER_MAX_PARALLEL_HTTP=24 XDG_CONFIG_HOME=${ROOT}/.config XDG_DATA_HOME=${ROOT}/.data
WORKDIR ${ROOT}
SHELL ["/bin/bash", "-eou", "pipefail", "-c"]
RUN ln -snf /usr/share/zoneinfo/${TZ} /etc/localtime && echo ${TZ} > /etc/timezone
RUN groupadd --force -g ${WWWGROUP} ${USER} && useradd -ms /bin/bash --no-log-init --no-user-group -g ${WWWGROUP} -u ${WWWUSER} ${USER}
COPY --link --chown=${WWWUSER}:${WWWUSER} . .
COPY --link --from=assets --chown=${WWWUSER}:${WWWGROUP} /app/public/build public/build
RUN composer dump-autoload --classmap-authoritative --no-dev
USER ${USER}
EXPOSE 8000 2019
HEALTHCHECK --start-period=5s --interval=2s --timeout=5s --retries=8 CMD php artisan octane:status || exit 1
ENTRYPOINT ["php", "artisan", "octane:start", "--host=0.0.0.0"]
