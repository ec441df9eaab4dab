FROM golang:1.23 AS build
COPY --from=assets /dist ./web
RUN go build -o /bin/srv .
FROM node:20 AS assets
RUN npm ci && npm run build
FROM alpine
COPY --from=build /bin/srv /srv
