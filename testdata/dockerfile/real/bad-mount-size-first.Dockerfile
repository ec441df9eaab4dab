FROM debian:12
RUN --mount=size=64m,type=tmpfs,target=/scratch dd if=/dev/zero of=/scratch/x bs=1M count=1
