FROM docker:27-dind
RUN apk add --no-cache fuse-overlayfs iproute2 shadow-uidmap \
 && addgroup -S rootless && adduser -S -G rootless rootless \
 && echo 'rootless:100000:65536' >> /etc/subuid \
 && echo 'rootless:100000:65536' >> /etc/subgid
VOLUME /home/rootless/.local/share/docker
USER rootless
ENTRYPOINT ["dockerd-entrypoint.sh"]
CMD []
