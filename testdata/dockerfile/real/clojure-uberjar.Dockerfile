FROM clojure:temurin-21-tools-deps-bookworm AS uber
WORKDIR /build
COPY deps.edn build.clj ./
RUN clojure -P && clojure -P -T:build
COPY src src
COPY resources resources
RUN clojure -T:build uber

FROM gcr.io/distroless/java21-debian12:nonroot
COPY --from=uber /build/target/app-standalone.jar /app.jar
EXPOSE 3000
CMD ["-XX:MaxRAMPercentage=75", "-jar", "/app.jar"]
