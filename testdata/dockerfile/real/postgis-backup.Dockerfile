FROM postgis/postgis:16-3.4
RUN apt-get update; apt-get install -y cron awscli; rm -rf /var/lib/apt/lists
RUN echo '0 3 * * * postgres /usr/local/bin/backup >> /proc/1/fd/1 2>&1' > /etc/cron.d/backup && chmod 0644 /etc/cron.d/backup
ADD backup.sh /usr/local/bin/backup
RUN chmod +x /usr/local/bin/backup
ENV AWS_ACCESS_KEY_ID=AKIAEXAMPLE
ENV AWS_SECRET_ACCESS_KEY=notarealsecret
ENV S3_BUCKET=backups
WORKDIR backups
CMD cron -f -l 2
