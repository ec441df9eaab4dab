FROM eclipse-temurin:8-jre-focal AS hadoop
ARG HADOOP=3.4.0
ENV HADOOP_HOME=/opt/hadoop \
    HADOOP_CONF_DIR=/etc/hadoop
ENV PATH $PATH:$HADOOP_HOME/bin:$HADOOP_HOME/sbin
ADD https://archive.example.org/hadoop-${HADOOP}.tar.gz /tmp/
RUN tar xf /tmp/hadoop-${HADOOP}.tar.gz -C /opt && ln -s /opt/hadoop-${HADOOP} $HADOOP_HOME && rm /tmp/hadoop*

FROM hadoop AS namenode
VOLUME /hadoop/dfs/name
EXPOSE 9870
CMD ["hdfs", "namenode"]

FROM hadoop AS datanode
VOLUME /hadoop/dfs/data
EXPOSE 9864
CMD ["hdfs", "datanode"]

FROM hadoop AS resourcemanager
EXPOSE 8088
CMD ["yarn", "resourcemanager"]
