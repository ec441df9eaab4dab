# The usual API image. Build with:
#   docker build --target=runtime -t api .

ARG NODE_VERSION=22

# base is what all other stages share
FROM node:${NODE_VERSION}-bookworm-slim AS base
ENV NODE_ENV=production
WORKDIR /srv/api
EXPOSE 3000

# deps installs what package-lock.json names
FROM base AS deps
COPY package.json package-lock.json ./
RUN --mount=type=cache,target=/root/.npm npm ci --omit=dev

# dev carries the compiler as well
FROM base AS dev
ENV NODE_ENV=development
RUN --mount=type=bind,source=package.json,target=package.json \
    --mount=type=bind,source=package-lock.json,target=package-lock.json \
    --mount=type=cache,target=/root/.npm \
    npm ci --include=dev
COPY . .
CMD ["npm", "run", "dev"]

FROM dev AS test
ENV CI=1
RUN npm run lint && npm test

FROM base AS runtime
USER node
COPY --chown=node:node --from=deps /srv/api/node_modules ./node_modules
COPY --chown=node:node . .
HEALTHCHECK CMD ["node", "scripts/healthcheck.js"]
CMD ["node", "src/server.js"]
