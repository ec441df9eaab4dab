ARG PG_MAJOR=16
FROM postgres:${PG_MAJOR}-bookworm AS pgvector
ARG PG_MAJOR
ADD https://github.com/pgvector/pgvector.git#v0.8.0 /pgvector
RUN apt-get update && apt-mark hold locales && \
    apt-get install -y --no-install-recommends build-essential postgresql-server-dev-${PG_MAJOR} && \
    make -C /pgvector OPTFLAGS="" && make -C /pgvector install DESTDIR=/pgvector/dest

FROM postgres:${PG_MAJOR}-bookworm AS cron
ARG PG_MAJOR
ADD --keep-git-dir=true https://github.com/citusdata/pg_cron.git#v1.6.4 /pg_cron
RUN apt-get update && apt-get install -y --no-install-recommends build-essential git postgresql-server-dev-${PG_MAJOR} && \
    cd /pg_cron && git describe --tags > VERSION && make && make install DESTDIR=/pg_cron/dest

FROM postgres:${PG_MAJOR}-bookworm
COPY --from=pgvector /pgvector/dest/ /
COPY --from=cron /pg_cron/dest/ /
COPY initdb.d /docker-entrypoint-initdb.d
CMD ["postgres", "-c", "shared_preload_libraries=pg_cron", "-c", "cron.database_name=app"]
