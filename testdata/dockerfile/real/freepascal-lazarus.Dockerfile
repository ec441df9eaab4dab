FROM debian:12 AS fpc
RUN apt-get -qq update ; apt-get -qq install -y --no-install-recommends fpc lcl-2.2 lazarus-ide
ADD src.tar.gz /
RUN cd /src ; lazbuild --build-mode=Release ledger.lpi
FROM debian:12-slim
COPY --from=0 /src/ledger /usr/bin/
ENTRYPOINT [ "ledger" ]
