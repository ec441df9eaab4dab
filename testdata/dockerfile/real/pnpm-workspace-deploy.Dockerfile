FROM node:22-slim AS node
ENV PNPM_HOME=/pnpm COREPACK_ENABLE_DOWNLOAD_PROMPT=0
ENV PATH=$PNPM_HOME:$PATH
RUN corepack enable

FROM node AS all
WORKDIR /mono
COPY pnpm-lock.yaml pnpm-workspace.yaml package.json ./
RUN --mount=type=cache,id=pnpm,target=/pnpm/store pnpm fetch
COPY . .
RUN --mount=type=cache,id=pnpm,target=/pnpm/store pnpm -r --offline install && pnpm -r build
RUN for p in billing mailer; do pnpm deploy --prod --filter=$p /deploy/$p; done

FROM node AS billing
COPY --from=all /deploy/billing /svc
WORKDIR /svc
EXPOSE 8000
CMD node .

FROM node AS mailer
COPY --from=all /deploy/mailer /svc
WORKDIR /svc
EXPOSE 8001
CMD ["node", "."]
