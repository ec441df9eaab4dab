FROM node:20 AS spa
WORKDIR /spa
COPY ["package.json", "yarn.lock*", "./"]
RUN yarn --frozen-lockfile
COPY . .
ARG MODE="production"
ARG BUILD_ID='$CI_PIPELINE_ID'
RUN VITE_BUILD_ID="$BUILD_ID" yarn vite build --mode "$MODE"
FROM joseluisq/static-web-server:2.33
COPY --from=spa /spa/dist /public
