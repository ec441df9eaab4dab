FROM thevlang/vlang:latest AS v
WORKDIR /opt/v/app
COPY v.mod *.v ./
RUN v -prod -skip-unused -cflags '-static' . -o /web
FROM scratch
copy --from=v /web /web
entrypoint ["/web"]
