FROM wordpress:cli-2.11-php8.3 AS cli
FROM wordpress:6.6-apache
COPY --from=cli /usr/local/bin/wp /usr/local/bin/wp
COPY --chmod=555 <<'INIT' /usr/local/bin/wp-init
#!/bin/sh
# waits for the database, then installs
until wp --allow-root db check >/dev/null 2>&1; do sleep 2; done
wp --allow-root core is-installed || wp --allow-root core install \
    --url="$WP_URL" --title="$WP_TITLE" --admin_user=admin \
    --admin_password="$WP_ADMIN_PASSWORD" --admin_email="$WP_ADMIN_EMAIL" --skip-email
exec docker-entrypoint.sh "$@"
INIT
ENTRYPOINT ["wp-init"]
CMD ["apache2-foreground"]
