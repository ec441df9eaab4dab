from golang:1.23-alpine as build
workdir /src
copy go.mod go.sum ./
run go mod download
copy . .
arg ldflags="-s -w"
run cgo_enabled=0 go build -ldflags "$ldflags" -o /worker ./cmd/worker

from gcr.io/distroless/static-debian12 as worker
copy --from=build /worker /worker
user nonroot
label team=workflows
stopsignal sigterm
volume ["/tmp"]
healthcheck none
entrypoint ["/worker"]
