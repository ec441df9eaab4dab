FROM erlang:27-alpine AS rel
WORKDIR /buildroot
COPY rebar.config rebar.lock ./
RUN rebar3 compile
COPY . .
RUN rebar3 as prod tar && mkdir -p /rel && tar xzf _build/prod/rel/*/*.tar.gz -C /rel
FROM alpine:3.20
RUN apk add --no-cache ncurses-libs libstdc++ openssl
COPY --from=rel /rel /rel
CMD ["/rel/bin/router", "foreground"]
STOPSIGNAL SIGTERM
