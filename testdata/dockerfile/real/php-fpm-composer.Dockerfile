FROM composer/composer:2-bin AS composer
FROM mlocati/php-extension-installer:2.6 AS extensions

FROM php:8.3-fpm-alpine AS base
COPY --from=extensions /usr/bin/install-php-extensions /usr/local/bin/
RUN install-php-extensions apcu intl opcache pdo_pgsql redis zip
RUN mv "$PHP_INI_DIR/php.ini-production" "$PHP_INI_DIR/php.ini"
COPY <<'INI' /usr/local/etc/php/conf.d/90-app.ini
opcache.preload=/app/config/preload.php
opcache.preload_user=www-data
opcache.memory_consumption=256
realpath_cache_size=4096K
expose_php=0
INI
WORKDIR /app

FROM base AS vendor
COPY --from=composer /composer /usr/bin/composer
ENV COMPOSER_ALLOW_SUPERUSER=1 COMPOSER_CACHE_DIR=/tmp/composer
COPY composer.* symfony.* ./
RUN --mount=type=cache,target=/tmp/composer \
    --mount=type=secret,id=composer_auth,target=/app/auth.json \
    composer install --no-dev --prefer-dist --no-scripts --no-progress --no-interaction

FROM base
COPY --from=vendor /app/vendor vendor
COPY . .
RUN php bin/console cache:warmup
USER www-data
