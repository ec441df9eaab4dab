FROM php:8.3-fpm-alpine
RUN apk add --no-cache nginx supervisor
RUN <<-'SH' sh -eux
	apk add --no-cache --virtual .build $PHPIZE_DEPS icu-dev libzip-dev
	docker-php-ext-install -j4 intl zip opcache pdo_mysql
	apk del .build
	apk add icu-libs libzip
SH
COPY <<-FPM <<-'NGX' /etc/confs/
	[www]
	pm.max_children = 12
	env[APP] = ${APP_NAME:-shop}
FPM
	server { location ~ \.php$ { fastcgi_pass 127.0.0.1:9000; } }
NGX
COPY docker/supervisord.conf /etc/supervisord.conf
EXPOSE 80
CMD ["supervisord", "-n", "-c", "/etc/supervisord.conf"]
