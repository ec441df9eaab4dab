FROM golang:1.23 AS vendored
WORKDIR /plugins-local/src/github.com/example/headercheck
COPY go.* ./
RUN go mod download
COPY . .
RUN go mod vendor && go vet ./... && go test ./...

FROM traefik:v3.2.0
COPY --from=vendored /plugins-local /plugins-local
COPY --chmod=0600 <<-EOF /etc/traefik/traefik.yml
	experimental:
	  localPlugins:
	    headercheck:
	      moduleName: github.com/example/headercheck
	entryPoints:
	  web: { address: ":80" }
	providers:
	  file: { directory: /etc/traefik/dynamic }
EOF
EXPOSE 80/tcp 8080
