FROM ruby:3.2-alpine AS jekyll
RUN apk add --no-cache build-base gcompat
WORKDIR /srv/jekyll
COPY Gemfile Gemfile.lock ./
RUN bundle config set --local path vendor && bundle install -j4
COPY . .
ENV JEKYLL_ENV=production
RUN bundle exec jekyll build -d /site
FROM httpd:2.4-alpine
COPY --from=jekyll /site/ /usr/local/apache2/htdocs/
