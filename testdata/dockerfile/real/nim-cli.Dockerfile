FROM nimlang/nim:2.2.0-alpine AS build
WORKDIR /src
COPY *.nimble ./
RUN nimble install --depsOnly -y
COPY src ./src
RUN nim c -d:release --passL:-static --opt:size -o:/out/tool src/tool.nim && strip /out/tool

FROM scratch AS bin
COPY --from=build /out/tool /

FROM alpine:3.20
COPY --from=bin /tool /usr/local/bin/
ENTRYPOINT ["tool"]
CMD []
