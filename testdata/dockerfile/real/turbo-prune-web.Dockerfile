FROM node:20-alpine AS node
RUN apk add --no-cache libc6-compat && npm install -g turbo@2.2.3

FROM node AS pruned
WORKDIR /mono
ARG SCOPE=web
COPY . .
RUN turbo prune --scope=${SCOPE} --docker

FROM node AS installed
WORKDIR /mono
COPY --from=pruned /mono/out/json/ .
COPY --from=pruned /mono/out/package-lock.json ./package-lock.json
RUN npm ci
COPY --from=pruned /mono/out/full/ .
COPY turbo.json turbo.json
ARG TURBO_TEAM
ARG TURBO_TOKEN
ENV TURBO_TEAM="${TURBO_TEAM:?the team is missing}"
RUN TURBO_TOKEN=$TURBO_TOKEN turbo run build --filter=${SCOPE}...

FROM node:20-alpine AS web
WORKDIR /web
USER node
COPY --from=installed --chown=node /mono/apps/web/.next/standalone ./
COPY --from=installed --chown=node /mono/apps/web/.next/static ./apps/web/.next/static
CMD node apps/web/server.js
