FROM ubuntu/squid:5.2-22.04_beta
ARG HTTP_PROXY
ARG HTTPS_PROXY
COPY squid.conf /etc/squid/squid.conf
COPY allow*.txt /etc/squid/
RUN squid -k parse && chown -R proxy:proxy /var/spool/squid /etc/squid
EXPOSE 3128-3129
# no CMD: the base has one
HEALTHCHECK NONE
