ARG TOOLS=busybox:1.36
FROM debian:12
ARG TOOLS
RUN --mount=from=${TOOLS},target=/tools /tools/bin/sh -c 'echo hi'
