FROM solr:9.7-slim
USER root
COPY --chown=solr:solr configsets/products/conf /opt/solr/server/solr/configsets/products/conf
COPY --chown=solr:solr --chmod=0755 <<'EOF' /docker-entrypoint-initdb.d/create.sh
#!/bin/bash
precreate-core products /opt/solr/server/solr/configsets/products
EOF
USER $SOLR_USER
VOLUME /var/solr
