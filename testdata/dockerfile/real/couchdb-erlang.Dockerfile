FROM erlang:26 AS compile
ARG COUCHDB=3.4.2
RUN apt-get update && apt-get install -y --no-install-recommends libicu-dev libmozjs-91-dev pkg-config
WORKDIR /usr/src/couchdb
RUN curl -fSL https://dist.example.org/couchdb/${COUCHDB}.tar.gz -o - | tar xz --strip-components=1
RUN ./configure --disable-docs --spidermonkey-version 91 && make release
FROM debian:bookworm-slim
RUN groupadd -g 5984 -r couchdb && useradd -u 5984 -d /opt/couchdb -g couchdb couchdb
COPY --from=compile --chown=couchdb:couchdb /usr/src/couchdb/rel/couchdb /opt/couchdb
VOLUME /opt/couchdb/data
EXPOSE 5984 4369 9100
USER couchdb
CMD ["/opt/couchdb/bin/couchdb"]
