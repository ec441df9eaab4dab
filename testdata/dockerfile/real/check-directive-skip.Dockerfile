# check=skip=JSONArgsRecommended,StageNameCasing
FROM golang:1.23 AS Build
COPY . .
RUN go build -o /app ./...
FROM debian:12
COPY --from=build /app /app
CMD /app
