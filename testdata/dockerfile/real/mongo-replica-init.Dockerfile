FROM mongo:7.0
RUN openssl rand -base64 756 > /data/replica.key && chmod 400 /data/replica.key && chown 999:999 /data/replica.key
COPY <<JS /docker-entrypoint-initdb.d/rs.js
rs.initiate({_id: "rs0", members: [{_id: 0, host: "${MONGO_HOST:-localhost}:27017"}]});
JS
CMD ["mongod", "--replSet", "rs0", "--keyFile", "/data/replica.key", "--bind_ip_all"]
