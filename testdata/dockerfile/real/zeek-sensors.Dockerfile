FROM zeek/zeek:7.0.3
RUN zkg autoconfig --force && printf 'y\n' | zkg install --force zeek/corelight/zeek-community-id ja3
RUN --mount=type=bind,from=docker.io/library/golang:1.23,source=/usr/local/go,target=/usr/local/go \
    --mount=type=bind,source=./plugins,target=/plugins,rw \
    --mount=type=tmpfs,dst=/scratch,size=1.5g \
    --network=default \
    cd /plugins && PATH=$PATH:/usr/local/go/bin make install
COPY local.zeek /usr/local/zeek/share/zeek/site/
CMD zeek -C -i ${IFACE:-eth0} local
