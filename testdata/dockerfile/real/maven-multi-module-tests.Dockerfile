FROM maven:3-jdk-8 AS maven
ENV MAVEN_OPTS=-Dmaven.repo.local=/m2
COPY . /ws/
WORKDIR /ws
RUN --mount=type=secret,id=settings,dst=/root/.m2/settings.xml,required=true mvn -q verify
FROM scratch AS reports
COPY --from=maven /ws/*/target/surefire-reports/ /
FROM openjdk:8-jre-slim AS app
COPY --from=maven /ws/app/target/app.jar /
CMD java $JAVA_OPTS -jar /app.jar
