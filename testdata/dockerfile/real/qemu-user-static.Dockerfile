FROM --platform=linux/amd64 debian:sid-slim AS qemu
ARG QEMU_TARGETS="aarch64 arm ppc64le riscv64 s390x"
RUN apt-get update && apt-get install -y qemu-user-static binfmt-support
RUN <<'EOF'
mkdir -p /out/bin
for t in $QEMU_TARGETS; do
  cp "/usr/bin/qemu-$t-static" /out/bin/
done
update-binfmts --display | awk '/magic =/ { print $3 }' | sort -u >/out/magic
EOF

FROM --platform=$TARGETPLATFORM busybox:1.37.0
COPY --from=qemu /out/bin/ /usr/bin/
COPY --from=qemu /out/magic /magic
ENTRYPOINT ["/usr/bin/qemu-aarch64-static", "-version"]
