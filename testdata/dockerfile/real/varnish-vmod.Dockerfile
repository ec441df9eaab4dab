FROM varnish:7.6 AS vmods
USER root
RUN set -e; apt-get update; apt-get -y install $VMOD_DEPS /pkgs/*.deb autoconf-archive;
RUN install-vmod https://github.com/varnish/varnish-modules/releases/download/0.25.0/varnish-modules-0.25.0.tar.gz 0a1d2e3c4b5f60718293a4b5c6d7e8f90123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef01234567
FROM varnish:7.6
COPY --from=vmods /usr/lib/varnish/vmods/ /usr/lib/varnish/vmods/
COPY <<'VCL' /etc/varnish/default.vcl
vcl 4.1;
import std;
import bodyaccess;
backend default { .host = "app"; .port = "8080"; .probe = { .url = "/healthz"; .interval = 5s; } }
sub vcl_recv {
    if (req.url ~ "^[^?]*\.(css|js|png|svg|woff2)(\?.*)?$") { unset req.http.Cookie; }
}
VCL
ENV VARNISH_SIZE=256M VARNISH_HTTP_PORT=8080
EXPOSE 8080/tcp 8443/tcp
