FROM maven:3.9-eclipse-temurin-21 AS m
WORKDIR /ws
COPY pom.xml .
COPY core/pom.xml core/
COPY web/pom.xml web/
RUN --mount=type=cache,target=/root/.m2,sharing=private mvn -B -ntp dependency:resolve dependency:copy-dependencies -DoutputDirectory=/libs
COPY . .
RUN --mount=type=cache,target=/root/.m2,sharing=private mvn -B -ntp -o package -DskipTests
FROM gcr.io/distroless/java21-debian12
COPY --from=m --link /libs /app/libs
COPY --from=m --link /ws/web/target/classes /app/classes
COPY --from=m --link /ws/core/target/classes /app/classes
WORKDIR /app
ENTRYPOINT ["java", "-cp", "/app/classes:/app/libs/*", "com.example.Main"]
