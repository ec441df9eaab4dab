FROM apache/spark:3.5.3-scala2.12-java17-python3-ubuntu
ARG HADOOP_AWS=3.3.4
ARG AWS_SDK=1.12.262
USER root
ADD https://repo1.maven.org/maven2/org/apache/hadoop/hadoop-aws/${HADOOP_AWS}/hadoop-aws-${HADOOP_AWS}.jar \
    https://repo1.maven.org/maven2/com/amazonaws/aws-java-sdk-bundle/${AWS_SDK}/aws-java-sdk-bundle-${AWS_SDK}.jar \
    $SPARK_HOME/jars/
RUN chmod 644 $SPARK_HOME/jars/*.jar && pip install pyspark==${SPARK_VERSION:-3.5.3} delta-spark
COPY jobs /opt/jobs
COPY ./conf/spark-defaults.conf ./conf/log4j2.properties $SPARK_HOME/conf/
USER spark
ENTRYPOINT ["/opt/spark/bin/spark-submit", "--master", "local[*]"]
CMD ["/opt/jobs/daily.py"]
