FROM node:10-alpine
# http-server for simple static content
RUN npm install -g http-server
WORKDIR /app
COPY package*.json ./
RUN npm install
COPY . .
RUN npm run build
EXPOSE 8080
HEALTHCHECK --interval=5 CMD wget -qO- localhost:8080
CMD [ "http-server", "dist" ]
