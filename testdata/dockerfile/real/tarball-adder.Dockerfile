FROM busybox:musl AS unpack
ADD rootfs.tar.zst overlay.tar.bz2 /target/
ADD --unpack=true --checksum=sha256:4f5c21c0a9a1b5cdbb8ff2e8d2e1a3a0d4f8c8c0ba4ba7db1d0f3d7f3dc9c2a1 https://example.com/firmware.tar.gz /target/lib/firmware/
ADD --unpack=false drivers.tgz https://example.com/list?format=csv https://example.com/ /target/src/
ADD --chown=0:0 --chmod=go-w --link --exclude=*.md git@github.com:example/dotfiles.git#main:home /target/root/
ADD https://github.com/example/site.git?ref=v2&subdir=public&submodules=0 /target/srv/
ADD --keep-git-dir ssh://git@git.example.com:2222/infra/units.git#0f3a9c1 /target/etc/systemd/
ADD [ "https://example.com/a b", "/target/" ]
FROM scratch
COPY --from=unpack /target /
