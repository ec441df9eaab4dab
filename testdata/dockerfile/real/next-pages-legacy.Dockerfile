FROM node:14-alpine as deps
WORKDIR /site
COPY package.json yarn.lock ./
RUN yarn --frozen-lockfile --production=false
FROM deps as build
COPY . .
RUN yarn build && yarn --production --ignore-scripts --prefer-offline
FROM node:14-alpine
WORKDIR /site
ENV NODE_ENV production
COPY --from=build /site/.next ./.next
COPY --from=build /site/public ./public
COPY --from=buld /site/node_modules ./node_modules
COPY package.json next.config.js ./
CMD ["yarn", "start"]
