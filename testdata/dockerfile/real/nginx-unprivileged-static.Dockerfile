FROM docker.io/nginxinc/nginx-unprivileged:1.27-alpine-slim
COPY --chown=101:0 --chmod=u=rwX,g=rX,o= public /usr/share/nginx/html
COPY --chown=101:0 nginx/*.conf nginx/mime.types /etc/nginx/conf.d/
USER 101
EXPOSE 8080
