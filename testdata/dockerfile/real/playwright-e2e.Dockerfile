FROM mcr.microsoft.com/playwright:v1.48.2-noble AS e2e
WORKDIR /e2e
ENV CI=1 PLAYWRIGHT_BROWSERS_PATH=/ms-playwright FORCE_COLOR=1
RUN --mount=target=/var/lib/apt/lists,type=cache,sharing=locked \
    --mount=target=/var/cache/apt,type=cache,sharing=locked \
    rm -f /etc/apt/apt.conf.d/docker-clean && apt-get update && apt-get install -y --no-install-recommends xvfb
COPY --chown=pwuser:pwuser package.json package-lock.json ./
RUN npm ci
COPY --chown=pwuser:pwuser --exclude=test-results --exclude=**/*-snapshots/*.png . .
USER pwuser
ENTRYPOINT ["xvfb-run", "--auto-servernum", "npx", "playwright", "test"]
CMD ["--reporter=line,html"]
