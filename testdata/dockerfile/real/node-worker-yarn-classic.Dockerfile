FROM node:18
MAINTAINER Backend Guild <backend@example.org>

# yarn 1, frozen
RUN mkdir -p /opt/worker
WORKDIR /opt/worker
ADD package.json yarn.lock /opt/worker/
RUN yarn install --frozen-lockfile --production=true && yarn cache clean
ADD . /opt/worker

ENV QUEUE_URL redis://redis:6379/0
ENV CONCURRENCY=4 LOG_LEVEL=info

CMD yarn start
