FROM node:22-alpine AS base
ENV PNPM_HOME="/pnpm" PATH="/pnpm:$PATH"
RUN corepack enable

FROM base AS build
WORKDIR /app
COPY pnpm-lock.yaml ./
RUN --mount=type=cache,id=pnpm,target=/pnpm/store pnpm fetch
COPY . ./
RUN --mount=type=cache,id=pnpm,target=/pnpm/store \
	pnpm install --offline && \
	pnpm nuxt build

FROM base
WORKDIR /app
COPY --from=build /app/.output ./
ENV NITRO_PORT=3000 NITRO_HOST=:: NODE_ENV=production
EXPOSE ${NITRO_PORT}
CMD ["node", "server/index.mjs"]
