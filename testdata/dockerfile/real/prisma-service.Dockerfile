FROM node:20-slim AS base
RUN apt-get update -y && apt-get install -y openssl

FROM base AS build
WORKDIR /app
COPY package*.json prisma ./
RUN npm ci && npx prisma generate
COPY . .
RUN npm run build

FROM base AS migrate
WORKDIR /app
COPY --from=build /app/node_modules/ ./node_modules/
COPY prisma ./prisma
CMD ["npx", "prisma", "migrate", "deploy"]

FROM base AS app
WORKDIR /app
COPY --from=build /app /app
ENV DATABASE_URL="postgresql://user:pass@db:5432/app?schema=public"
CMD node dist/main
