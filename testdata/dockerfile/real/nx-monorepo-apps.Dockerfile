# syntax=docker/dockerfile:1.7-labs
FROM node:20.18-bookworm-slim AS workspace
WORKDIR /repo
COPY --parents nx.json package.json package-lock.json tsconfig.base.json apps/*/project.json libs/*/project.json /repo/
RUN --mount=type=cache,target=/root/.npm,sharing=locked npm ci
COPY --exclude=**/*.spec.ts --exclude=**/__snapshots__ --exclude=apps/*-e2e . .

FROM workspace AS build
ARG APP
RUN : "${APP:?say which app with --build-arg APP=}" \
 && npx nx build "$APP" --configuration=production --skip-nx-cache

FROM nginx:1.27-alpine AS web
ARG APP=web
COPY --from=build /repo/dist/apps/${APP} /usr/share/nginx/html

FROM node:20.18-bookworm-slim AS service
ARG APP
WORKDIR /svc
COPY --from=build /repo/dist/apps/${APP}/ ./
RUN npm install --omit=dev --no-audit
USER node
CMD ["node", "main.js"]
