FROM php:8.3-cli-alpine as Dev
ARG XDEBUG=3.3.2
ARG UID=1000 GID=${UID}
RUN apk add --no-cache --virtual .phpize $PHPIZE_DEPS linux-headers \
 && pecl install xdebug-$XDEBUG && docker-php-ext-enable xdebug \
 && apk del .phpize
RUN printf 'xdebug.%s\n' mode=develop,debug client_host=host.docker.internal \
      start_with_request=${XDEBUG_START:-trigger} >> "$PHP_INI_DIR/conf.d/docker-php-ext-xdebug.ini"
RUN addgroup -g "$GID" dev && adduser -D -u "$UID" -G dev dev
USER dev:dev
WORKDIR ~/src
CMD ["php", "-a"]
