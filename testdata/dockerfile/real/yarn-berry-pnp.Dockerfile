FROM node:20-alpine AS deps
WORKDIR /a
RUN corepack enable
COPY --link package.json yarn.lock .yarnrc.yml ./
COPY --link .yarn ./.yarn
RUN yarn install --immutable
FROM deps AS deps-prod
RUN yarn workspaces focus --all --production
FROM deps AS build
COPY --link --exclude=.yarn --exclude=.pnp.cjs . .
RUN yarn build
FROM node:20-alpine AS build
COPY --from=deps-prod /a/.pnp.cjs /a/.pnp.loader.mjs ./
COPY --from=deps-prod /a/.yarn .yarn
COPY --from=2 /a/dist dist
ENV NODE_OPTIONS="--require ./.pnp.cjs --loader ./.pnp.loader.mjs"
CMD ["node", "dist/server.js"]
