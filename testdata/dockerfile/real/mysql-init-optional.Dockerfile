FROM mysql:8.4
ARG DB_NAME=shop
ENV MYSQL_DATABASE=${DB_NAME:?give the name with --build-arg} MYSQL_ROOT_PASSWORD_FILE=/run/secrets/root
COPY initdb/*.sql /docker-entrypoint-initdb.d/
