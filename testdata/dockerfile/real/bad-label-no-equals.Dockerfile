FROM busybox
LABEL maintainer="a" team
