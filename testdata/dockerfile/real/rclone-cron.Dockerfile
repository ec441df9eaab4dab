FROM rclone/rclone:1.68.1 AS rclone
FROM alpine:3.20
COPY --from=rclone /usr/local/bin/rclone /usr/local/bin/rclone
RUN apk add --no-cache dcron tzdata fuse3
COPY --chmod=a+rx,u+w sync.sh /usr/local/bin/
RUN <<EOF
#!/bin/sh -eu
cat > /etc/crontabs/root <<CRON
${SCHEDULE:-*/30 * * * *} /usr/local/bin/sync.sh
CRON
chmod 0600 /etc/crontabs/root
EOF
CMD ["crond", "-f", "-l", "8"]
