FROM scratch
HEALTHCHECK --start-period=2s --start-interval=1m30s CMD ["a", "b"]
