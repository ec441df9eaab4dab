FROM debian:bookworm
ENV container docker
ARG DEBIAN_FRONTEND=noninteractive
RUN apt-get update && apt-get install -y systemd systemd-sysv dbus python3 sudo \
    && apt-get clean \
    && find /etc/systemd/system /lib/systemd/system -path '*.wants/*' \
       \( -name '*getty*' -o -name '*apt-daily*' -o -name '*udev*' \) -delete
VOLUME /run /run/lock /tmp
STOPSIGNAL 37
ENTRYPOINT [ "/lib/systemd/systemd" ]
