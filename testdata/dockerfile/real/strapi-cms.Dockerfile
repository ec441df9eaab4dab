FROM node:18-alpine3.18 AS build
RUN apk add --no-cache build-base python3 vips-dev >/dev/null 2>&1
ARG NODE_ENV=production
ENV NODE_ENV=$NODE_ENV
WORKDIR /cms
COPY package.json yarn.lock ./
RUN yarn install --production --network-timeout 600000
COPY . .
RUN yarn strapi build

FROM node:18-alpine3.18
ENV NODE_ENV=$NODE_ENV
RUN apk add --no-cache vips
COPY --from=build --chown=node:node /cms /cms
WORKDIR /cms
USER node
EXPOSE 1337
VOLUME /cms/public/uploads
CMD ["yarn", "strapi", "start"]
