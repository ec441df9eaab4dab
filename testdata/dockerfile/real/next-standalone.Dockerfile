# syntax=docker.io/docker/dockerfile:1.7

FROM node:20-alpine AS os
RUN apk add --no-cache libc6-compat
ENV NEXT_TELEMETRY_DISABLED=1
WORKDIR /web

FROM os AS install
COPY package.json *lock* *-lock.* ./
RUN set -e; \
    case "$(ls)" in \
      *yarn.lock*)      yarn install --immutable ;; \
      *pnpm-lock.yaml*) corepack enable && pnpm install --frozen-lockfile ;; \
      *)                npm ci ;; \
    esac

FROM install AS compile
ARG NEXT_PUBLIC_API_URL
ARG NEXT_PUBLIC_RELEASE=${NEXT_PUBLIC_API_URL:+hosted}
ENV NEXT_PUBLIC_API_URL=${NEXT_PUBLIC_API_URL:-http://localhost:4000}
COPY . .
RUN --mount=type=cache,target=/web/.next/cache,sharing=locked \
    --mount=type=secret,id=sentry_token,env=SENTRY_AUTH_TOKEN,required=false \
    npx next build

FROM os
ENV NODE_ENV=production HOSTNAME=:: PORT=3000
COPY --from=compile --chown=node:node /web/.next/standalone ./
COPY --from=compile --chown=node:node /web/.next/static .next/static
COPY --chown=node:node public public
USER node
EXPOSE $PORT
CMD ["node", "server.js"]
