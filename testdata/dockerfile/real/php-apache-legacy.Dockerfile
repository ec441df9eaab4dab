FROM php:7.4-apache
LABEL maintainer="webmaster@example.com"

RUN a2enmod rewrite headers expires
RUN docker-php-ext-install mysqli pdo pdo_mysql \
    && docker-php-ext-enable mysqli

COPY php.ini /usr/local/etc/php/
COPY ./public/ /var/www/html/
COPY vhost.conf /etc/apache2/sites-available/000-default.conf

RUN chown -R www-data:www-data /var/www/html \
    && find /var/www/html -type d -exec chmod 755 {} \; \
    && find /var/www/html -type f -exec chmod 644 {} +

EXPOSE 80
