FROM quay.io/centos/centos:stream9
RUN dnf -y install centos-release-nfs-ganesha5 epel-release && \
    dnf -y install nfs-ganesha nfs-ganesha-vfs dbus-daemon rpcbind && \
    dnf clean all && rm -rf /var/cache/dnf
COPY ganesha.conf /etc/ganesha/
COPY [ "start.sh", "/start.sh" ]
# mountd, nfs, lockd, statd, rquotad
EXPOSE 111/tcp 111/udp 2049/tcp 662/tcp 662/udp 875 32803-32806/tcp 32769-32770/udp
VOLUME [ "/export", "/var/lib/nfs/ganesha" ]
STOPSIGNAL 15
ENTRYPOINT [ "/start.sh" ]
