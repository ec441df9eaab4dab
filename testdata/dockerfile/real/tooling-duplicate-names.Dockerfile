FROM golang:1.22 AS tools
RUN go install honnef.co/go/tools/cmd/staticcheck@2024.1.1
FROM golang:1.23 AS Tools
RUN go install github.com/golangci/golangci-lint/cmd/golangci-lint@v1.61.0
FROM alpine AS scratch
COPY --from=tools /go/bin/* /bin/
FROM alpine:3.20 AS context
COPY --from=scratch /bin /bin
FROM tools AS final
WORKDIR bin
ENTRYPOINT golangci-lint
