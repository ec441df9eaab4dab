FROM quay.io/coreos/etcd:v3.5.16 AS etcd
FROM alpine:3.20
COPY --from=etcd /usr/local/bin/etcd /usr/local/bin/etcdctl /usr/local/bin/
ENV ETCD_DATA_DIR=/var/lib/etcd \
    ETCD_LISTEN_CLIENT_URLS=http://0.0.0.0:2379 \
    ETCDCTL_API=3
EXPOSE 2379 2380
VOLUME $ETCD_DATA_DIR
HEALTHCHECK --start-period=15s CMD etcdctl endpoint health
CMD exec etcd --name "$HOSTNAME"
