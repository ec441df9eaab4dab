ARG STACK_VERSION=8.15.3
FROM docker.elastic.co/elasticsearch/elasticsearch:${STACK_VERSION}
ARG PLUGINS="analysis-icu analysis-phonetic"
RUN for plugin in $PLUGINS; do bin/elasticsearch-plugin install --batch "$plugin"; done
COPY --chown=elasticsearch:elasticsearch --chmod=0660 config/synonyms.txt config/analysis/
ENV ES_JAVA_OPTS="-Xms1g -Xmx1g" discovery.type=single-node
