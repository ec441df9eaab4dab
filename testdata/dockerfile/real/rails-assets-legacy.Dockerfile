FROM ruby:2.6-stretch
RUN sed -i s/deb.debian.org/archive.debian.org/ /etc/apt/sources.list && apt-get update
RUN apt-get install -y nodejs imagemagick mysql-client
RUN gem install bundler -v 1.17.3
ENV APP_HOME /var/www/rails
RUN mkdir $APP_HOME
WORKDIR $APP_HOME
ADD Gemfile* $APP_HOME/
ARG MASTER_KEY
ENV MASTER_KEY=$MASTER_KEY
ENV SECRET_KEY_BASE 0123456789
ENV SMTP_PASSWORD=hunter2 SMTP_HOST=mail
RUN bundle install --without development test
ADD . $APP_HOME
RUN rake assets:precompile
CMD ["rails", "s", "-b", "0.0.0.0"]
CMD ["foreman", "start", "web"]
