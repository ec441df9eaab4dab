FROM golang:1.22-alpine3.20 AS build
RUN apk add --no-cache gcc musl-dev sqlite-dev
COPY go.* /src/
RUN cd /src && go mod download
COPY . /src
RUN cd /src && CGO_ENABLED=1 go build -tags "libsqlite3 linux musl netgo osusergo" \
    -ldflags '-linkmode external -extldflags "-static"' -o /usr/bin/notes
FROM scratch
COPY --from=build /usr/bin/notes /notes
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
VOLUME [ "/data" ]
EXPOSE 3333
CMD [ "/notes", "-db", "/data/notes.db" ]
