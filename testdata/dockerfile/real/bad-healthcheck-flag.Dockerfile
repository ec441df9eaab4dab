FROM redis:7
HEALTHCHECK --intervall=5s CMD redis-cli ping
