ARG ELIXIR=1.17.3 OTP=27.1.2 DISTRO=debian-bookworm-20241016-slim

ARG BUILD_ON="hexpm/elixir:${ELIXIR}-erlang-${OTP}-${DISTRO}" \
    RUN_ON="${DISTRO/#*/debian:bookworm-slim}"

FROM $BUILD_ON AS release
WORKDIR /board
ENV MIX_ENV=prod ERL_FLAGS="+JPperf true"
RUN mix do local.hex --force, local.rebar --force
COPY mix.exs mix.lock ./
COPY config/config.exs config/$MIX_ENV.exs config/
RUN mix do deps.get --only $MIX_ENV, deps.compile
COPY . .
RUN mix do assets.deploy, compile, release --path /rel

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends libstdc++6 libncurses6 openssl && rm -rf /var/lib/apt/lists/*
COPY --from=release --chown=65534:0 /rel /rel
USER 65534:0
ENV LANG=C.UTF-8 PHX_SERVER=true
ENTRYPOINT ["/rel/bin/board"]
CMD ["start"]
