########################################
# native executable, no JVM at run time #
########################################
FROM quay.io/quarkus/ubi9-quarkus-mandrel-builder-image:jdk-21 AS native
USER quarkus
WORKDIR /project
COPY --chown=quarkus --chmod=u+x mvnw pom.xml ./
COPY --chown=quarkus .mvn .mvn
RUN ./mvnw --batch-mode dependency:go-offline
COPY --chown=quarkus src src
RUN ./mvnw --batch-mode package --activate-profiles native -DskipTests

FROM quay.io/quarkus/ubi9-quarkus-micro-image:2.0
COPY --from=native --chmod=0755 /project/target/*-runner /usr/bin/inventory
USER 1001:0
EXPOSE 8080
ENTRYPOINT ["/usr/bin/inventory"]
CMD ["-Dquarkus.http.host=0.0.0.0", "-Xmx64m"]
