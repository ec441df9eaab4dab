FROM metabase/metabase:v0.51.1
ARG DRIVERS_URL=https://releases.example.com/drivers
ADD --chmod=744 ${DRIVERS_URL}/clickhouse.metabase-driver.jar ${DRIVERS_URL}/duckdb.metabase-driver.jar /plugins/
ENV MB_DB_FILE=/data/metabase.db MB_ENCRYPTION_SECRET_KEY=""
VOLUME /data
