FROM maven:3.9-eclipse-temurin-17 AS war
COPY settings.xml /root/.m2/
COPY pom.xml /w/
RUN --mount=type=cache,target=/root/.m2/repository mvn -B -f /w/pom.xml dependency:go-offline
COPY src /w/src
RUN --mount=type=cache,target=/root/.m2/repository mvn -B -o -f /w/pom.xml package

FROM tomcat:10.1-jre17
RUN ["rm", "-rf", "webapps.dist"]
COPY --from=war /w/target/shop-*.war webapps/ROOT.war
COPY --chmod=0640 conf/ conf/
ENV CATALINA_OPTS='-Xms512m -Xmx512m -Dfile.encoding=UTF-8' UMASK=0027
EXPOSE 8080/tcp 8009 8000/tcp
CMD ["catalina.sh", "run", ]
