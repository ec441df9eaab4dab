#syntax=docker/dockerfile:1
#check=skip=JSONArgsRecommended
FROM openapitools/openapi-generator-cli:v7.9.0 AS generator
FROM redocly/cli:1.25.11 AS redocly

FROM generator AS bundle
COPY --from=redocly /usr/local/ /usr/local/
WORKDIR /spec
COPY openapi/ .
RUN redocly bundle openapi.yaml -o bundled.yaml

FROM bundle AS ts
RUN docker-entrypoint.sh generate -i bundled.yaml -g typescript-fetch -o /gen --additional-properties=supportsES6=true,npmName=@example/client
FROM bundle AS py
RUN docker-entrypoint.sh generate -i bundled.yaml -g python -o /gen
FROM bundle AS go
RUN docker-entrypoint.sh generate -i bundled.yaml -g go -o /gen

FROM scratch AS clients
COPY --from=ts /gen /typescript
COPY --from=py /gen /python
COPY --from=go /gen /go
COPY --from=bundle /spec/bundled.yaml /
