FROM mariadb:11.4
ENV GALERA_ON=1
COPY --chmod=755 docker-entrypoint-galera.sh /usr/local/bin/
COPY conf.d/*.cnf /etc/mysql/conf.d/
RUN echo "galera_new_cluster()\t{ exec \"\$@\" --wsrep-new-cluster; }" >> /etc/bash.bashrc
EXPOSE 3306 4444 4567/tcp 4567/udp 4568
ENTRYPOINT ["docker-entrypoint-galera.sh"]
CMD ["mariadbd"]
