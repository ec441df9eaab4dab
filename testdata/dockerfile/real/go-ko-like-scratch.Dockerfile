FROM golang:1.23 AS b
WORKDIR /w
COPY . ./
RUN CGO_ENABLED=0 go build -o /ko-app/svc . && echo 'nobody:x:65534:65534:nobody:/:' > /passwd
FROM scratch
COPY --from=b /passwd /etc/passwd
COPY --from=b /ko-app /ko-app
ENV PATH=/ko-app KO_DATA_PATH=/var/run/ko
USER nobody
ENTRYPOINT ["/ko-app/svc"]
