FROM debian:bookworm AS debbuild
RUN echo 'deb-src http://deb.example.org/debian trixie main' > /etc/apt/sources.list.d/src.list
ARG PACKAGE=tmux
ENV DEBEMAIL="builds@example.com" DEBFULLNAME='Build Robot'
RUN apt-get update && apt-get install -y devscripts equivs
WORKDIR /build
RUN apt-get source ${PACKAGE} && cd ${PACKAGE}-*/ \
	&& mk-build-deps -i -r -t 'apt-get -y --no-install-recommends' \
	&& dch --bpo "" && dpkg-buildpackage -us -uc -b
FROM scratch
COPY --from=debbuild /build/*.deb /
