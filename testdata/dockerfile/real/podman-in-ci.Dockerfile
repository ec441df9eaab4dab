FROM registry.fedoraproject.org/fedora-minimal:41
RUN microdnf -y --nodocs --setopt=install_weak_deps=0 install podman buildah skopeo fuse-overlayfs crun \
 && microdnf clean all \
 && useradd podman \
 && echo -e "podman:1:999\npodman:1001:64535" | tee /etc/subuid > /etc/subgid
COPY --chmod=0644 <<"containers.conf" <<"storage.conf" /etc/containers/
[containers]
netns = "host"
cgroups = "disabled"
[engine]
cgroup_manager = "cgroupfs"
containers.conf
[storage]
driver = "overlay"
[storage.options.overlay]
mount_program = "/usr/bin/fuse-overlayfs"
storage.conf
VOLUME /home/podman/.local/share/containers
ENV _CONTAINERS_USERNS_CONFIGURED="" BUILDAH_ISOLATION=chroot
USER podman
