FROM nginx:alpine AS shell
HEALTHCHECK CMD wget -qO- http://127.0.0.1/ || exit 1
FROM shell AS off
HEALTHCHECK NONE
FROM shell AS exec
HEALTHCHECK --interval=1m30s --timeout=500ms --retries=0 CMD ["wget", "-q", "http://127.0.0.1/healthz"]
FROM off
HEALTHCHECK --start-period=1h CMD /check first
HEALTHCHECK CMD /check second
