FROM scratch
ARG BUILD_DATE VCS_REF VERSION=0.0.0
LABEL org.opencontainers.image.created=$BUILD_DATE \
  org.opencontainers.image.revision=$VCS_REF \
  org.opencontainers.image.version=$VERSION
LABEL "com.example.vendor"="ACME Incorporated" com.example.note='single $quoted' multi.line="a \
b"
LABEL empty=
LABEL unicode="Grüße – 日本"
ADD rootfs.tar.xz /
