FROM webratio/ant:1.10.1 AS ant
ADD . /work
WORKDIR /work
RUN ant -lib lib dist
FROM tomcat:9-jre8
ENV CATALINA_OPTS -Xmx512m
ENV JAVA_OPTS "-Dfile.encoding=UTF-8 -Duser.timezone=UTC"
RUN rm -rf webapps/*
COPY --from=ant /work/dist/erp.war webapps/ROOT.war
EXPOSE 8080
