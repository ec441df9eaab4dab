FROM ghcr.io/graalvm/native-image-community:23-muslib AS native
WORKDIR /src
COPY .mvn .mvn
COPY mvnw pom.xml ./
RUN --mount=type=cache,target=/root/.m2 ./mvnw -B -q dependency:go-offline
COPY src src
ARG NATIVE_ARGS="--static --libc=musl -O3"
RUN --mount=type=cache,target=/root/.m2 ./mvnw -B -Pnative -DskipTests -DbuildArgs="${NATIVE_ARGS}" package
FROM scratch
COPY --from=native /src/target/orders /orders
EXPOSE 8080/tcp
ENTRYPOINT ["/orders", "-Dquarkus.http.host=0.0.0.0"]
