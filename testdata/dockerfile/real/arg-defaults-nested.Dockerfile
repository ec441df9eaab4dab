# BASE the whole reference, for those who mirror
ARG BASE=${MIRROR:-docker.io}/library/alpine:${ALPINE:-3.20}
# FLAVOUR one of full, slim
ARG FLAVOUR=slim
FROM ${BASE} AS full
ARG EXTRA="git make"
RUN apk add ${EXTRA}
FROM ${BASE} AS slim
FROM ${FLAVOUR}
ARG FLAVOUR
ARG LEVEL=${FLAVOUR/slim/1}
ARG COMMIT
ARG SHORT=${COMMIT:-unknown}
LABEL flavour=$FLAVOUR level=$LEVEL commit=$SHORT
