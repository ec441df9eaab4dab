FROM litestream/litestream:0.3.13 AS litestream
FROM alpine:3.20 AS sqlite
RUN apk add --no-cache build-base tcl readline-dev
ARG YEAR=2024 REL=3470000
ARG URL=https://www.sqlite.org/$YEAR/sqlite-autoconf-$REL.tar.gz
ADD $URL /s.tgz
RUN tar xzf s.tgz && cd sqlite-autoconf-$REL && \
    CFLAGS="-Os -DSQLITE_ENABLE_FTS5 -DSQLITE_ENABLE_MATH_FUNCTIONS \
            -DSQLITE_ENABLE_STAT4 -DSQLITE_DQS=0" ./configure --prefix=/usr --disable-shared && make install-strip DESTDIR=/d
FROM alpine:3.20
COPY --from=litestream /usr/local/bin/litestream /usr/local/bin/litestream
COPY --from=sqlite /d/usr/bin/sqlite3 /usr/bin/
COPY <<EOF /etc/litestream.yml
dbs:
  - path: /data/app.db
    replicas:
      - url: s3://$LITESTREAM_BUCKET/app
        retention: 72h
EOF
VOLUME "/data"
ENTRYPOINT ["litestream"]
CMD ["replicate", "-exec", "sqlite3 /data/app.db"]
