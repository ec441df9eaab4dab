FROM maven:3-jdk-8-alpine AS MAVEN_BUILD
COPY pom.xml /build/
COPY src /build/src/
WORKDIR /build/
RUN mvn package -DskipTests
FROM openjdk:8-jre-alpine
WORKDIR app
COPY --from=maven_build /build/target/*.jar app.jar
ENTRYPOINT java $JAVA_OPTS -jar app.jar
