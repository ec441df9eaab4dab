FROM node:lts-alpine AS bundle
WORKDIR /site
COPY package.json package-lock.json .parcelrc ./
RUN npm ci
COPY src src
RUN npx parcel build --no-source-maps --public-url "${PUBLIC_URL:-/}" src/index.html

FROM scratch AS export
COPY --from=bundle /site/dist .
