FROM ghcr.io/puppeteer/puppeteer:23.6.1
USER root
RUN apt-get update && apt-get install -y fonts-liberation fonts-noto-color-emoji --no-install-recommends && rm -rf /var/lib/apt/lists/*
USER pptruser
WORKDIR /home/pptruser/app
ENV PUPPETEER_SKIP_DOWNLOAD=true \
    XDG_CONFIG_HOME=/tmp/.chromium \
    XDG_CACHE_HOME=/tmp/.chromium
COPY --chown=pptruser package.json package-lock.json ./
RUN npm ci --omit=dev
COPY --chown=pptruser src ./src
HEALTHCHECK --interval=1m --timeout=10s CMD node -e "fetch('http://localhost:3000/health').then(r => process.exit(r.ok ? 0 : 1))"
CMD ["node", "src/index.js"]
