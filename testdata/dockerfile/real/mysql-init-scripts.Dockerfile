FROM mysql:8.4
ARG MYSQL_ROOT_PASSWORD=root
ARG DB_NAME
ENV MYSQL_DATABASE=${DB_NAME:?give the name with --build-arg}
COPY initdb/*.sql /docker-entrypoint-initdb.d/
