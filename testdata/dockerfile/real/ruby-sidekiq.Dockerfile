ARG RUBY=3.2.5

FROM ruby:${RUBY}-alpine${ALPINE:-3.20} AS gems
RUN apk add --update --no-cache build-base postgresql-dev git tzdata gcompat
WORKDIR /app
COPY .ruby-version Gemfile* ./
RUN --mount=type=ssh --mount=type=cache,target=/usr/local/bundle/cache,id=gems-${RUBY} \
    bundle config set --local without 'development test' && bundle install -j4 --retry 3

FROM ruby:${RUBY}-alpine${ALPINE:-3.20}
RUN apk add --no-cache postgresql-libs tzdata jemalloc
ENV LD_PRELOAD=/usr/lib/libjemalloc.so.2 MALLOC_CONF='dirty_decay_ms:1000,narenas:2'
COPY --from=gems /usr/local/bundle /usr/local/bundle
COPY --chown=1000:1000 . /app
USER 1000:1000
WORKDIR /app
STOPSIGNAL TSTP
CMD exec bundle exec sidekiq -C config/sidekiq.yml
