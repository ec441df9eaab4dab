FROM wordpress:6.6-php8.2-fpm-alpine
ARG PLUGINS="redis-cache w3-total-cache"
WORKDIR /usr/src/wordpress/wp-content/plugins
RUN apk add --no-cache unzip curl; for p in $PLUGINS; do curl -fsSL "https://downloads.wordpress.org/plugin/$p.zip" -o p.zip && unzip -q p.zip && rm p.zip || exit 1; done
WORKDIR /var/www/html
COPY --chown=www-data:www-data themes/ /usr/src/wordpress/wp-content/themes/
COPY php/uploads.ini "$PHP_INI_DIR/conf.d/"
ENV WORDPRESS_CONFIG_EXTRA="define('WP_CACHE', true); define(\"WP_REDIS_HOST\", getenv('REDIS_HOST') ?: 'redis');"
