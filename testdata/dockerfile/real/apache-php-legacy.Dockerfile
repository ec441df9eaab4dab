FROM php:5.6-apache
MAINTAINER Web Team <web@example.com>
ENV APACHE_DOCUMENT_ROOT /var/www/html/public
ENV DB_HOST db
ENV DB_PORT 3306
RUN sed -ri -e 's!/var/www/html!${APACHE_DOCUMENT_ROOT}!g' /etc/apache2/sites-available/*.conf
RUN docker-php-ext-install mysql mysqli pdo_mysql
RUN a2enmod rewrite headers
ADD . /var/www/html
RUN chown -R www-data:www-data /var/www/html
EXPOSE 80
CMD apache2-foreground
