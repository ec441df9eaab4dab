FROM alpine
ARG NAME=world
ENV UPPER=${NAME^^}
