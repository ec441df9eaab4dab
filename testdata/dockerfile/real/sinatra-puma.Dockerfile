FROM ruby:3.3-slim
RUN gem install sinatra:4.0.0 puma:6.4.3 rackup --no-document
WORKDIR /app
COPY <<~RUBY app.rb
require 'sinatra'
get('/') { "hello from #{Socket.gethostname}" }
~RUBY
EXPOSE 4567/tcp
CMD ["ruby", "app.rb", "-o", "0.0.0.0"]
