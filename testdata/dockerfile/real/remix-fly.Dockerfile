# Remix with SQLite on a volume
FROM node:20.18-bookworm-slim AS os
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates fuse3 sqlite3 \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /srv/notes
ENV PORT=8080

FROM os AS modules
COPY --link package.json package-lock.json ./
RUN npm ci

FROM modules AS built
# the commit ends up in the footer
ARG GIT_COMMIT=unknown
ENV GIT_COMMIT=${GIT_COMMIT}
COPY --link app ./app
COPY --link prisma/ public/ vite.config.ts tsconfig.json ./
RUN --mount=type=secret,id=sentry,dst=/tmp/sentry.token,required=false \
    SENTRY_AUTH_TOKEN="$(cat /tmp/sentry.token 2>/dev/null)" npm run build && npm prune --omit=dev

FROM os
ENV NODE_ENV=production DATA_DIR=/data
ENV DATABASE_URL=file:${DATA_DIR}/notes.db?connection_limit=1
COPY --from=flyio/litefs:0.5.11 /usr/local/bin/litefs /usr/local/bin/
COPY --from=built /srv/notes/node_modules ./node_modules
COPY --from=built /srv/notes/build ./build
COPY litefs.yml /etc/litefs.yml
ENTRYPOINT ["litefs", "mount"]
