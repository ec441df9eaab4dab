FROM node:20.18.0-alpine AS bundle
WORKDIR /ui
COPY package.json package-lock.json ./
RUN npm ci --no-fund
ARG VITE_API_URL VITE_SENTRY_DSN=
COPY index.html vite.config.ts tsconfig.json ./
COPY src src
RUN npm run build -- --outDir /dist

FROM nginx:stable-alpine
COPY --from=bundle /dist /usr/share/nginx/html
ADD nginx.conf /etc/nginx/conf.d/default.conf
EXPOSE 80
CMD ["nginx", "-g", "daemon off;"
