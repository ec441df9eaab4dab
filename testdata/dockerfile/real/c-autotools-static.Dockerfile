FROM alpine:3.20 AS build
RUN apk add --no-cache build-base autoconf automake libtool linux-headers
WORKDIR /src
COPY configure.ac Makefile.am ./
COPY m4 m4/
RUN autoreconf -fi
COPY . .
RUN ./configure --prefix=/usr --disable-shared --enable-static \
	LDFLAGS="-static -s" CFLAGS='-O2 -pipe -fstack-protector-strong' \
	&& make -j"$(getconf _NPROCESSORS_ONLN)" \
	&& make DESTDIR=/out install-strip
FROM scratch
COPY --from=build /out/ /
ENTRYPOINT ["/usr/sbin/relayd"]
CMD ["-f", "/etc/relayd.conf"]
