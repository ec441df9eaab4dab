FROM alpine:3.20
ARG =value
RUN true
