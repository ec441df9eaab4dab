# syntax=docker/dockerfile:1
# escape=`
FROM node:20-alpine AS deps
WORKDIR /app
COPY package.json `
     package-lock.json ./
RUN npm ci
FROM deps
COPY . .
CMD ["node", "index.js"]
