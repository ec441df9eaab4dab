FROM gitea/gitea:1.22-rootless
ARG THEME=arc-green
COPY --chown=git:git themes/${THEME}.css /var/lib/gitea/custom/public/assets/css/theme-${THEME}.css
ENV GITEA__ui__THEMES="gitea,${THEME}" GITEA__ui__DEFAULT_THEME=${THEME}
