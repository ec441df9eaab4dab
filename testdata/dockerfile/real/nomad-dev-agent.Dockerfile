FROM hashicorp/nomad:1.9 as nomad
From hashicorp/consul:1.20 AS Consul

FROM alpine:3
COPY --from=nomad /bin/nomad /bin/nomad
COPY --from=consul /bin/consul /bin/consul
RUN apk add --no-cache runit su-exec iproute2
COPY sv /etc/service
EXPOSE 4646 4647 4648/tcp 4648/udp 8300-8302 8500 8600/udp
ENTRYPOINT exec runsvdir -P /etc/service
