FROM eclipse-temurin:21 AS mill
ADD --chmod=0755 https://github.com/com-lihaoyi/mill/releases/download/0.12.2/0.12.2 /usr/local/bin/mill
RUN apt-get update && apt-get install -y clang libstdc++-12-dev
WORKDIR /w
COPY build.mill .
RUN mill resolve _
COPY cli cli
RUN mill -i cli.nativeLink
FROM debian:trixie-slim
COPY --from=mill /w/out/cli/nativeLink.dest/out /usr/local/bin/cli
ENTRYPOINT ["cli"]
