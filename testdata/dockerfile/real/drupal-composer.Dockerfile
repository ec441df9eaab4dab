FROM drupal:10-apache
COPY --from=composer:2 /usr/bin/composer /usr/local/bin/composer
ENV COMPOSER_ALLOW_SUPERUSER=1
WORKDIR /opt/drupal
COPY composer.json composer.lock ./
RUN --mount=type=secret,id=composer_auth,target=/root/.composer/auth.json,mode=0400 composer install --no-dev -o
COPY web/ web/
RUN ln -sfn /opt/drupal/web /var/www/html && chown -R www-data:www-data web/sites
