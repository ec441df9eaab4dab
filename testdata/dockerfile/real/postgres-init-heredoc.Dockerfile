FROM postgres:17-alpine

ENV POSTGRES_PASSWORD=postgres POSTGRES_DB=shop

COPY --chown=postgres <<10-roles.sql <<20-schema.sql <<'30-seed.sh' /docker-entrypoint-initdb.d/
CREATE ROLE app LOGIN PASSWORD '${APP_PW:-app}';
CREATE ROLE readonly;
10-roles.sql
CREATE SCHEMA IF NOT EXISTS shop AUTHORIZATION app;
CREATE TABLE shop.item (
  id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name  text NOT NULL,
  price numeric(10, 2) CHECK (price >= 0)
);
DO \$\$ BEGIN RAISE NOTICE 'done'; END \$\$;
20-schema.sql
#!/bin/sh
psql -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "$POSTGRES_DB" <<SQL
INSERT INTO shop.item(name, price) SELECT 'item ' || n, n FROM generate_series(1, 10) n;
SQL
30-seed.sh
