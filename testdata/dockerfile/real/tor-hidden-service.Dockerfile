FROM alpine:edge
RUN apk add --no-cache tor \
 && mkdir -p /var/lib/tor/hs && chown -R tor: /var/lib/tor && chmod 0700 /var/lib/tor/hs
COPY <<torrc <<torsocks /etc/tor/
HiddenServiceDir /var/lib/tor/hs
HiddenServicePort 80 web:8080
HiddenServiceVersion 3
torrc
AllowInbound 1
torsocks
USER tor
VOLUME /var/lib/tor
ENTRYPOINT [ "tor" ]
CMD [ "-f", "/etc/tor/torrc" ]
