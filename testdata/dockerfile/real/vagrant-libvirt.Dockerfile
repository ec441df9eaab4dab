FROM ubuntu:jammy
ENV VAGRANT_HOME /.vagrant.d
ENV VAGRANT_DEFAULT_PROVIDER=libvirt
RUN apt update && apt install -y qemu-kvm libvirt-daemon-system libvirt-dev build-essential wget gnupg lsb-release ruby-dev
RUN wget -O- https://apt.releases.hashicorp.com/gpg | gpg --dearmor -o /usr/share/keyrings/hashicorp-archive-keyring.gpg
RUN echo "deb [signed-by=/usr/share/keyrings/hashicorp-archive-keyring.gpg] https://apt.releases.hashicorp.com $(lsb_release -cs) main" | tee /etc/apt/sources.list.d/hashicorp.list
RUN apt update && apt install -y vagrant && vagrant plugin install vagrant-libvirt
RUN --security=insecure --mount=type=tmpfs,target=/run/libvirt vagrant box add --provider libvirt debian/bookworm64
COPY entrypoint.sh /
ENTRYPOINT ["/entrypoint.sh"]
