FROM golang:1.23 AS build
RUN --mount=type=cache,target=/root/.cache --cpus=2 go build ./...
FROM scratch
COPY --from=build /go/bin/worker /
