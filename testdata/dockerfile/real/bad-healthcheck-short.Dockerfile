FROM redis:7
HEALTHCHECK --interval=100us CMD redis-cli ping
