# syntax = docker/dockerfile:1.4
ARG RUBY=3.3.6
FROM ruby:${RUBY}-slim-bookworm AS slim
ENV BUNDLE_PATH=/gems BUNDLE_FROZEN=true BUNDLE_WITHOUT=development:test RAILS_ENV=production
ENV PATH=/shop/bin:$PATH
WORKDIR /shop

FROM slim AS fat
RUN --mount=type=cache,target=/var/cache/apt --mount=type=cache,target=/var/lib/apt \
    apt-get update -q && apt-get install -yq build-essential libpq-dev libyaml-dev
COPY Gemfile Gemfile.lock ./
COPY vendor/gems ./vendor/gems
RUN bundle install --jobs=8
ADD . .
RUN <<ASSETS
  set -e
  export SECRET_KEY_BASE=only-for-this-step
  rails assets:precompile
  rm -rf tmp/cache node_modules
ASSETS

FROM slim
RUN --mount=type=cache,target=/var/cache/apt --mount=type=cache,target=/var/lib/apt \
    apt-get update -q && apt-get install -yq --no-install-recommends libpq5 libjemalloc2
RUN useradd --uid 3000 --no-log-init --home-dir /shop shop
COPY --from=fat --chown=3000 /gems /gems
COPY --from=fat --chown=3000 /shop /shop
USER 3000
HEALTHCHECK --interval=30s --timeout=3s --start-period=40s \
            CMD ["ruby", "-rnet/http", "-e", "exit Net::HTTP.get_response(URI('http://localhost:3000/up')).code == '200'"]
EXPOSE 3000
CMD ["puma", "-C", "config/puma.rb"]
