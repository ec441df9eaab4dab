FROM jekyll/jekyll:4.2.2 as build
WORKDIR /srv/jekyll
COPY --chown=jekyll:jekyll Gemfile Gemfile.lock ./
RUN bundle install
COPY --chown=jekyll:jekyll . .
RUN JEKYLL_ENV=production jekyll build --trace

FROM httpd:2.4-alpine
COPY --from=build /srv/jekyl/_site/ /usr/local/apache2/htdocs/
run echo 'ErrorDocument 404 /404.html' >> /usr/local/apache2/conf/httpd.conf
