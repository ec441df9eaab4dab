ARG BUILD_FROM=ghcr.io/hassio-addons/base:16.3.4
# hadolint ignore=DL3006
FROM ${BUILD_FROM}
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
RUN \
    apk add --no-cache --virtual .build-dependencies \
        build-base=0.5-r3 \
    \
    && apk add --no-cache \
        mosquitto=2.0.18-r1 \
    \
    && apk del --no-cache --purge .build-dependencies
COPY rootfs /
ARG BUILD_ARCH
ARG BUILD_DATE
ARG BUILD_DESCRIPTION
ARG BUILD_NAME
ARG BUILD_REF
ARG BUILD_REPOSITORY
ARG BUILD_VERSION
LABEL \
    io.hass.name="${BUILD_NAME}" \
    io.hass.description="${BUILD_DESCRIPTION}" \
    io.hass.arch="${BUILD_ARCH}" \
    io.hass.type="addon" \
    io.hass.version=${BUILD_VERSION} \
    org.opencontainers.image.created=${BUILD_DATE} \
    org.opencontainers.image.revision=${BUILD_REF}
