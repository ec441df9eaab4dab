FROM node:20-alpine AS addons
RUN apk add --no-cache --virtual .gyp python3 make g++ vips-dev
WORKDIR /app
COPY package*.json .npmrc* ./
RUN npm ci --build-from-source=sharp,bcrypt --loglevel=warn ; \
    npm cache clean --force ; \
    apk del .gyp
FROM node:20-alpine
RUN apk add --no-cache vips tini
WORKDIR /app
COPY --from=0 /app/node_modules node_modules/
COPY . .
ENTRYPOINT ["/sbin/tini","--"]
CMD node --max-old-space-size=${HEAP_MB:-512} index.js
