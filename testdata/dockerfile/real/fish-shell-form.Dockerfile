FROM alpine:3.20
RUN apk add fish
SHELL ["/usr/bin/fish", "-c"]
RUN set -Ux fish_greeting; and echo ok
SHELL ["/bin/sh", "-c"]
RUN echo back
CMD fish
