# Base for our small services: everything happens in triggers.
FROM node:20-slim
RUN corepack enable && install -d -o node -g node /app
WORKDIR /app
USER node
ONBUILD ARG NODE_ENV=production
ONBUILD ENV NODE_ENV=$NODE_ENV
ONBUILD COPY --chown=node:node package.json pnpm-lock.yaml ./
ONBUILD RUN --mount=type=cache,id=pnpm,target=/home/node/.pnpm-store,uid=1000,gid=1000 \
    pnpm install --frozen-lockfile
ONBUILD COPY --chown=node:node . .
ONBUILD RUN <<EOF
set -eu
pnpm run --if-present build
rm -rf test docs
EOF
ONBUILD HEALTHCHECK --start-period=10s CMD ["node", "healthcheck.mjs"]
CMD ["node", "."]
