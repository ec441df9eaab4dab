FROM redis:7.2.6 AS bin
FROM debian:bookworm AS build
RUN apt-get update && apt-get -y install build-essential git cargo clang
WORKDIR /build
RUN git clone --depth 1 --branch v2.6.13 --recursive https://github.com/RedisJSON/RedisJSON.git json
RUN cd json && cargo build --release
RUN git clone --depth 1 https://github.com/RedisBloom/RedisBloom.git bloom && make -C bloom

FROM bin
COPY --from=build /build/json/target/release/librejson.so /build/bloom/bin/linux-*/redisbloom.so /opt/modules/
CMD ["--loadmodule", "/opt/modules/librejson.so", "--loadmodule", "/opt/modules/redisbloom.so"]
USR redis
