FROM gradle:8-jdk17 AS jar
COPY --chown=gradle:gradle . /home/gradle/src
WORKDIR /home/gradle/src
RUN gradle shadowJar --no-daemon
FROM eclipse-temurin:17-jdk-alpine AS jre
RUN apk add --no-cache binutils
RUN $JAVA_HOME/bin/jlink --verbose \
         --add-modules java.base,java.logging,java.naming,java.sql,jdk.unsupported \
         --strip-debug --no-man-pages --no-header-files --compress=2 --output /jre
FROM alpine:3.20
ENV JAVA_HOME=/jre
ENV PATH="${JAVA_HOME}/bin:${PATH}"
COPY --from=jre /jre $JAVA_HOME
COPY --from=jar /home/gradle/src/build/libs/*-all.jar /app.jar
ENTRYPOINT ["java", "-jar", "/app.jar"]
