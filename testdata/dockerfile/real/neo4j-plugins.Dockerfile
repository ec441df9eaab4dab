FROM neo4j:5.25-community
ARG APOC=5.25.1
ARG GDS=2.12.0
ADD --chown=neo4j:neo4j --chmod=0644 https://github.com/neo4j/apoc/releases/download/${APOC}/apoc-${APOC}-core.jar /var/lib/neo4j/plugins/
ADD --chown=neo4j:neo4j --checksum=sha256:24454830c4a4a5e0d3ee2e4c5ba2cb5bd3e06c3ea0b11ecff2dcf3d6b11d6f2a \
    https://graphdatascience.ninja/neo4j-graph-data-science-${GDS}.jar \
    /var/lib/neo4j/plugins/gds.jar
ENV NEO4J_dbms_security_procedures_unrestricted=apoc.*,gds.* \
    NEO4J_server_memory_heap_max__size=2G
VOLUME ["/data", "/logs"]
