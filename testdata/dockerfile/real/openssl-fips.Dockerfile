FROM almalinux:9 AS build
ARG OPENSSL=3.0.9
ARG JOBS
RUN dnf -y groupinstall "Development Tools" && dnf -y install perl-core
RUN curl -fsSLO https://www.openssl.org/source/openssl-${OPENSSL}.tar.gz \
 && curl -fsSL https://www.openssl.org/source/openssl-${OPENSSL}.tar.gz.sha256 | awk -v f=openssl-${OPENSSL}.tar.gz '{print $1"  "f}' | sha256sum -c -
RUN tar -xf openssl-${OPENSSL}.tar.gz
RUN cd openssl-${OPENSSL} && ./Configure enable-fips --prefix=/opt/ssl && make ${JOBS:+-j$JOBS} && make install_sw install_fips
FROM almalinux:9-minimal
COPY --from=build /opt/ssl /opt/ssl
RUN /opt/ssl/bin/openssl fipsinstall -out /opt/ssl/fipsmodule.cnf -module /opt/ssl/lib64/ossl-modules/fips.so
ENV OPENSSL_CONF=/opt/ssl/openssl-fips.cnf OPENSSL_MODULES=/opt/ssl/lib64/ossl-modules
COPY <<EOF ${OPENSSL_CONF}
openssl_conf = init
.include /opt/ssl/fipsmodule.cnf
[init]
providers = providers
[providers]
fips = fips_sect
base = base_sect
[base_sect]
activate = 1
EOF
