FROM node:20-alpine as build
WORKDIR /app
COPY package.json yarn.lock ./
RUN yarn install --frozen-lockfile
COPY . .
ARG CONFIGURATION=production
RUN yarn ng build --configuration $CONFIGURATION

FROM nginx:1.27-alpine
RUN rm -rf /usr/share/nginx/html/*
COPY <<"NGINX" /etc/nginx/conf.d/default.conf
server {
  listen 80;
  root /usr/share/nginx/html;
  location / {
    try_files $uri $uri/ /index.html;
  }
}
NGINX
COPY --from=build /app/dist/shop/browser /usr/share/nginx/html
