FROM ruby:3.3 AS parent
ONBUILD RUN <<-EOF
	bundle config set deployment true
	bundle install
EOF
ONBUILD COPY <<CFG /app/config.yml
env: ${RAILS_ENV:-production}
CFG
ONBUILD ARG GEM_MIRROR=https://gems.example.org
FROM parent AS child
RUN rails assets:precompile
