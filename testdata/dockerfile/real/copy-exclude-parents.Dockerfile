FROM node:22 AS deps
WORKDIR /app
COPY --parents package.json package-lock.json packages/*/package.json ./
RUN npm ci
FROM node:22
WORKDIR /app
COPY --exclude=**/*.test.ts --exclude=docs . .
COPY --from=deps --link /app/node_modules ./node_modules
