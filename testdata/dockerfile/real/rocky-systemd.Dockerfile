FROM rockylinux/rockylinux:9-ubi-init
ENV container=docker
STOPSIGNAL SIGRTMIN+3
RUN dnf -y install systemd-container procps-ng; dnf clean all; \
systemctl mask getty.target console-getty.service systemd-logind.service \
systemd-udevd.service;\
systemctl set-default multi-user.target
VOLUME [ "/sys/fs/cgroup", "/run" ]
CMD [ "/usr/lib/systemd/systemd", "--log-target=console" ]
