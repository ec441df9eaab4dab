ARG GRAFANA_VERSION="latest"
FROM grafana/grafana:${GRAFANA_VERSION}
ARG GF_INSTALL_PLUGINS=""
ARG GF_GID="0"
ENV GF_PATHS_PLUGINS="/var/lib/grafana-plugins" GF_SECURITY_ADMIN_PASSWORD=admin
USER root
RUN mkdir -p "$GF_PATHS_PLUGINS" && chown -R grafana:${GF_GID} "$GF_PATHS_PLUGINS"
USER grafana
RUN if [ ! -z "${GF_INSTALL_PLUGINS}" ]; then \
    OLDIFS=$IFS; \
    IFS=','; \
    for plugin in ${GF_INSTALL_PLUGINS}; do \
    IFS=$OLDIFS; \
    grafana cli --pluginsDir "$GF_PATHS_PLUGINS" plugins install ${plugin}; \
    done; \
    fi
