FROM opensearchproject/opensearch:2.17.1 AS indexes
RUN bin/opensearch-plugin install --batch analysis-icu
FROM opensearchproject/opensearch:2.17.1
COPY --from=7 /usr/share/opensearch/plugins /usr/share/opensearch/plugins
