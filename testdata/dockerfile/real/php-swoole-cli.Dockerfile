FROM phpswoole/swoole:5.1-php8.3-alpine
RUN set -eux \
	&& apk add --no-cache --virtual .build-deps $PHPIZE_DEPS linux-headers \
	&& pecl install inotify \
	&& docker-php-ext-enable inotify \
	&& apk del --no-network .build-deps \
	&& rm -rf \
		/tmp/pear \
		~/.pearrc
workdir /srv
COPY composer.json composer.lock /srv/
Run composer install -o --no-dev
COPY . /srv
CMD [ 'php', 'server.php' ]
