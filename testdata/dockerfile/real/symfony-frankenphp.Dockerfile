#syntax=docker/dockerfile:1

FROM dunglas/frankenphp:1.3-php8.3 AS php
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
RUN apt-get update; apt-get install -y --no-install-recommends acl git unzip; rm -rf /var/lib/apt/lists/*
RUN install-php-extensions @composer apcu intl pdo_pgsql
ENV COMPOSER_ALLOW_SUPERUSER=1
WORKDIR /srv/symfony

# dev mounts the sources, so nothing is copied
FROM php AS dev
RUN install-php-extensions xdebug && ln -s "$PHP_INI_DIR"/php.ini-{development,ini}
ENV APP_ENV=dev XDEBUG_MODE=off
ONBUILD RUN echo "do not build upon the dev image" >&2 && exit 1
CMD ["frankenphp", "run", "--watch", "--config", "/etc/caddy/Caddyfile"]

# prod has it all
FROM php AS prod
ENV APP_ENV=prod APP_DEBUG=0
COPY --link composer.json composer.lock symfony.lock ./
RUN --mount=type=cache,target=/root/.composer composer install --no-dev --no-scripts --no-autoloader
COPY --link --exclude=tests --exclude=var . .
RUN composer dump-autoload -a; php bin/console cache:warmup; setfacl -R -m u:www-data:rwX var
COPY --link <<'CADDY' /etc/caddy/Caddyfile
{
	frankenphp
}
{$SERVER_NAME:localhost} {
	root * /srv/symfony/public
	encode zstd br gzip
	php_server
}
CADDY
