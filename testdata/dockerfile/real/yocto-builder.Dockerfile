FROM crops/poky:ubuntu-22.04
USER root
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
           lz4 \
           liblz4-tool `# zstd is in the base` \
           repo \
           zstd \
    && localedef -i en_US -f UTF-8 en_US.UTF-8
ARG uid=1000
ARG gid=$uid
RUN groupmod -g $gid pokyuser 2>/dev/null; usermod -u $uid -g $gid pokyuser
USER pokyuser
WORKDIR /workdir
RUN <<EOF
git config --global user.email ci@example.com
git config --global user.name CI
git config --global --add safe.directory '*'
EOF
ENV LANG=en_US.UTF-8 BB_ENV_PASSTHROUGH_ADDITIONS="DL_DIR SSTATE_DIR" DL_DIR=/cache/downloads SSTATE_DIR=/cache/sstate
VOLUME ["/workdir","/cache"]
