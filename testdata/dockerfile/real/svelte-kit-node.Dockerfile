FROM node:20-alpine AS builder
WORKDIR /app
COPY package*.json .
RUN npm ci
COPY . .
RUN --mount=type=secret,id=PUBLIC_ENV,target=/app/.env npm run build
RUN npm prune --production

FROM node:20-alpine
WORKDIR /app
COPY --from=builder /app/build build/
COPY --from=builder /app/node_modules node_modules/
COPY package.json .
EXPOSE 3000
ENV NODE_ENV=production ORIGIN=https://app.example.com BODY_SIZE_LIMIT=0
CMD [ "node", "build" ]
