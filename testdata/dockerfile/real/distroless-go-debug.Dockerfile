ARG DEBUG
FROM golang:1.23-bookworm AS compile
WORKDIR /go/src/app
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -o /go/bin/app
FROM gcr.io/distroless/static-debian12:${DEBUG:+debug-}nonroot
COPY --from=compile /go/bin/app /
CMD ["/app"]
