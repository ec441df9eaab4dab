FROM nats:2.10-scratch AS nats
FROM busybox:1.36-musl AS layout
RUN mkdir -p /out/data/jetstream /out/etc/nats && chmod 1777 /out/data
COPY --chmod=440 <<-EOT /out/etc/nats/server.conf
	server_name: $NATS_NAME
	jetstream {
		store_dir: "/data/jetstream"
		max_mem: 256M
	}
	cluster { name: C1, listen: 0.0.0.0:6222 }
	EOT
FROM scratch
COPY --from=nats /nats-server /nats-server
COPY --from=layout /out/ /
VOLUME /data
EXPOSE 4222 6222 8222
ENTRYPOINT ["/nats-server"]
CMD ["--config", "/etc/nats/server.conf"]
