FROM eclipse-temurin:21-jre AS layers
ARG JAR=build/libs/*-SNAPSHOT.jar
COPY $JAR /tmp/service.jar
RUN java -Djarmode=layertools -jar /tmp/service.jar extract --destination /layers

FROM eclipse-temurin:21-jre
WORKDIR /service
# what changes least comes first
COPY --link --from=layers /layers/dependencies/ ./
COPY --link --from=layers /layers/spring-boot-loader/ ./
COPY --link --from=layers /layers/snapshot-dependencies/ ./
COPY --link --from=layers /layers/application/ ./
ENV JAVA_TOOL_OPTIONS="-XX:+UseSerialGC -XX:MaxRAMPercentage=70.0"
USER 2000
CMD java ${DEBUG:+-agentlib:jdwp=transport=dt_socket,server=y,suspend=n,address=*:5005} org.springframework.boot.loader.launch.JarLauncher
