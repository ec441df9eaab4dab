ARG RELEASE=RELEASE.2024-10-29T16-01-48Z
FROM quay.io/minio/minio:$RELEASE
COPY --chmod=600 certs/private.key certs/public.crt /root/.minio/certs/
ENV MINIO_ROOT_USER=minioadmin MINIO_ROOT_PASSWORD=minioadmin
EXPOSE 9000 9001
CMD ["server", "/data", "--console-address", ":9001"]
