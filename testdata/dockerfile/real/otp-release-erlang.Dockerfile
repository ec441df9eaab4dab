FROM erlang:27-alpine AS rel
WORKDIR /buildroot
COPY rebar.config rebar.lock ./
RUN rebar3 get-deps && rebar3 compile
COPY config config/
COPY apps apps/
RUN rebar3 as prod release && rebar3 as prod tar && mkdir /rel && tar -xzf _build/prod/rel/*/*.tar.gz -C /rel

FROM alpine:3.20
RUN apk add --no-cache openssl ncurses-libs libstdc++
COPY --from=rel /rel /srv/relay
EXPOSE 4369 9100-9155
ENV RELX_REPLACE_OS_VARS=true NODE_NAME=relay@127.0.0.1
STOPSIGNAL SIGTERM
CMD /srv/relay/bin/relay foreground
