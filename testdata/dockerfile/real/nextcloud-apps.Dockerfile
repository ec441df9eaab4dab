FROM nextcloud:30-apache

SHELL ["/bin/bash", "-o", "pipefail", "-c"]

RUN apt-get update && apt-get install -y --no-install-recommends \

      ghostscript \
      imagemagick \

      smbclient libsmbclient-dev \
    && pecl install smbclient | tee /var/log/pecl.log \

    && docker-php-ext-enable smbclient \
    && rm -rf /var/lib/apt/lists/*

COPY --chown=www-data apps/ /usr/src/nextcloud/custom_apps/
COPY config/*.config.php /usr/src/nextcloud/config/
ENV NEXTCLOUD_UPDATE=1 PHP_MEMORY_LIMIT=1G
