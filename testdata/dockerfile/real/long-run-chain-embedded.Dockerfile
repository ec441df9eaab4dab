FROM ubuntu:24.04
LABEL purpose="embedded images"
ARG DEBIAN_FRONTEND=noninteractive
RUN set -eux; \
    apt-get update; \
    # group 0
    apt-get install -y --no-install-recommends autoconf; \
    apt-get install -y --no-install-recommends automake; \
    apt-get install -y --no-install-recommends bison; \
    apt-get install -y --no-install-recommends bzip2; \
    apt-get install -y --no-install-recommends ccache; \
    apt-get install -y --no-install-recommends cmake; \
    apt-get install -y --no-install-recommends cpio; \
    apt-get install -y --no-install-recommends curl; \
    apt-get install -y --no-install-recommends diffutils; \
    # group 1
    apt-get install -y --no-install-recommends dosfstools; \
    apt-get install -y --no-install-recommends e2fsprogs; \
    apt-get install -y --no-install-recommends ed; \
    apt-get install -y --no-install-recommends file; \
    apt-get install -y --no-install-recommends findutils; \
    apt-get install -y --no-install-recommends flex; \
    apt-get install -y --no-install-recommends gawk; \
    apt-get install -y --no-install-recommends gettext; \
    apt-get install -y --no-install-recommends git; \
    # group 2
    apt-get install -y --no-install-recommends gnupg; \
    apt-get install -y --no-install-recommends gperf; \
    apt-get install -y --no-install-recommends gzip; \
    apt-get install -y --no-install-recommends help2man; \
    apt-get install -y --no-install-recommends intltool; \
    apt-get install -y --no-install-recommends jq; \
    apt-get install -y --no-install-recommends kmod; \
    apt-get install -y --no-install-recommends less; \
    apt-get install -y --no-install-recommends libtool; \
    # group 3
    apt-get install -y --no-install-recommends lz4; \
    apt-get install -y --no-install-recommends lzop; \
    apt-get install -y --no-install-recommends m4; \
    apt-get install -y --no-install-recommends make; \
    apt-get install -y --no-install-recommends mtools; \
    apt-get install -y --no-install-recommends nano; \
    apt-get install -y --no-install-recommends ninja-build; \
    apt-get install -y --no-install-recommends openssl; \
    apt-get install -y --no-install-recommends parted; \
    # group 4
    apt-get install -y --no-install-recommends patch; \
    apt-get install -y --no-install-recommends patchelf; \
    apt-get install -y --no-install-recommends perl; \
    apt-get install -y --no-install-recommends pkg-config; \
    apt-get install -y --no-install-recommends procps; \
    apt-get install -y --no-install-recommends python3; \
    apt-get install -y --no-install-recommends quilt; \
    apt-get install -y --no-install-recommends rsync; \
    apt-get install -y --no-install-recommends sed; \
    # group 5
    apt-get install -y --no-install-recommends socat; \
    apt-get install -y --no-install-recommends squashfs-tools; \
    apt-get install -y --no-install-recommends subversion; \
    apt-get install -y --no-install-recommends swig; \
    apt-get install -y --no-install-recommends tar; \
    apt-get install -y --no-install-recommends texinfo; \
    apt-get install -y --no-install-recommends tree; \
    apt-get install -y --no-install-recommends u-boot-tools; \
    apt-get install -y --no-install-recommends unzip; \
    # group 6
    apt-get install -y --no-install-recommends vim-tiny; \
    apt-get install -y --no-install-recommends wget; \
    apt-get install -y --no-install-recommends xorriso; \
    apt-get install -y --no-install-recommends xz-utils; \
    apt-get install -y --no-install-recommends zip; \
    apt-get install -y --no-install-recommends zstd; \
    command -v autoconf || true; \
    command -v cmake || true; \
    command -v e2fsprogs || true; \
    command -v gawk || true; \
    command -v gzip || true; \
    command -v less || true; \
    command -v make || true; \
    command -v parted || true; \
    command -v procps || true; \
    command -v socat || true; \
    command -v texinfo || true; \
    command -v wget || true; \
    apt-get clean; \
    rm -rf /var/lib/apt/lists/*
RUN mkdir -p /opt/work/autoconf && chmod 2775 /opt/work/autoconf && mkdir -p /opt/work/automake && chmod 2775 /opt/work/automake && mkdir -p /opt/work/bison && chmod 2775 /opt/work/bison && mkdir -p /opt/work/bzip2 && chmod 2775 /opt/work/bzip2 && mkdir -p /opt/work/ccache && chmod 2775 /opt/work/ccache && mkdir -p /opt/work/cmake && chmod 2775 /opt/work/cmake && mkdir -p /opt/work/cpio && chmod 2775 /opt/work/cpio && mkdir -p /opt/work/curl && chmod 2775 /opt/work/curl && mkdir -p /opt/work/diffutils && chmod 2775 /opt/work/diffutils && mkdir -p /opt/work/dosfstools && chmod 2775 /opt/work/dosfstools && mkdir -p /opt/work/e2fsprogs && chmod 2775 /opt/work/e2fsprogs && mkdir -p /opt/work/ed && chmod 2775 /opt/work/ed && mkdir -p /opt/work/file && chmod 2775 /opt/work/file && mkdir -p /opt/work/findutils && chmod 2775 /opt/work/findutils && mkdir -p /opt/work/flex && chmod 2775 /opt/work/flex && mkdir -p /opt/work/gawk && chmod 2775 /opt/work/gawk && mkdir -p /opt/work/gettext && chmod 2775 /opt/work/gettext && mkdir -p /opt/work/git && chmod 2775 /opt/work/git && mkdir -p /opt/work/gnupg && chmod 2775 /opt/work/gnupg && mkdir -p /opt/work/gperf && chmod 2775 /opt/work/gperf && mkdir -p /opt/work/gzip && chmod 2775 /opt/work/gzip && mkdir -p /opt/work/help2man && chmod 2775 /opt/work/help2man && mkdir -p /opt/work/intltool && chmod 2775 /opt/work/intltool && mkdir -p /opt/work/jq && chmod 2775 /opt/work/jq && mkdir -p /opt/work/kmod && chmod 2775 /opt/work/kmod && mkdir -p /opt/work/less && chmod 2775 /opt/work/less && mkdir -p /opt/work/libtool && chmod 2775 /opt/work/libtool && mkdir -p /opt/work/lz4 && chmod 2775 /opt/work/lz4 && mkdir -p /opt/work/lzop && chmod 2775 /opt/work/lzop && mkdir -p /opt/work/m4 && chmod 2775 /opt/work/m4 && mkdir -p /opt/work/make && chmod 2775 /opt/work/make && mkdir -p /opt/work/mtools && chmod 2775 /opt/work/mtools && mkdir -p /opt/work/nano && chmod 2775 /opt/work/nano && mkdir -p /opt/work/ninja-build && chmod 2775 /opt/work/ninja-build && mkdir -p /opt/work/openssl && chmod 2775 /opt/work/openssl && mkdir -p /opt/work/parted && chmod 2775 /opt/work/parted && mkdir -p /opt/work/patch && chmod 2775 /opt/work/patch && mkdir -p /opt/work/patchelf && chmod 2775 /opt/work/patchelf && mkdir -p /opt/work/perl && chmod 2775 /opt/work/perl && mkdir -p /opt/work/pkg-config && chmod 2775 /opt/work/pkg-config && mkdir -p /opt/work/procps && chmod 2775 /opt/work/procps && mkdir -p /opt/work/python3 && chmod 2775 /opt/work/python3 && mkdir -p /opt/work/quilt && chmod 2775 /opt/work/quilt && mkdir -p /opt/work/rsync && chmod 2775 /opt/work/rsync && mkdir -p /opt/work/sed && chmod 2775 /opt/work/sed && mkdir -p /opt/work/socat && chmod 2775 /opt/work/socat && mkdir -p /opt/work/squashfs-tools && chmod 2775 /opt/work/squashfs-tools && mkdir -p /opt/work/subversion && chmod 2775 /opt/work/subversion && mkdir -p /opt/work/swig && chmod 2775 /opt/work/swig && mkdir -p /opt/work/tar && chmod 2775 /opt/work/tar && mkdir -p /opt/work/texinfo && chmod 2775 /opt/work/texinfo && mkdir -p /opt/work/tree && chmod 2775 /opt/work/tree && mkdir -p /opt/work/u-boot-tools && chmod 2775 /opt/work/u-boot-tools && mkdir -p /opt/work/unzip && chmod 2775 /opt/work/unzip && mkdir -p /opt/work/vim-tiny && chmod 2775 /opt/work/vim-tiny && mkdir -p /opt/work/wget && chmod 2775 /opt/work/wget && mkdir -p /opt/work/xorriso && chmod 2775 /opt/work/xorriso && mkdir -p /opt/work/xz-utils && chmod 2775 /opt/work/xz-utils && mkdir -p /opt/work/zip && chmod 2775 /opt/work/zip && mkdir -p /opt/work/zstd && chmod 2775 /opt/work/zstd
WORKDIR /opt/work
CMD ["bash"]
