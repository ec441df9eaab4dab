ARG SBT_TAG=eclipse-temurin-jammy-17.0.10_7_1.10.5_3.5.2
FROM sbtscala/scala-sbt:${SBT_TAG} AS dist
WORKDIR /play
COPY project/build.properties project/plugins.sbt project/
RUN sbt -v update
COPY build.sbt .
COPY conf conf/
COPY app app/
COPY public public/
RUN sbt stage

FROM eclipse-temurin:17-jre
COPY --from=dist /play/target/universal/stage /play
EXPOSE 9000
ENV JAVA_OPTS="-Xmx512m -Dpidfile.path=/dev/null"
ENV PLAY_HTTP_SECRET_KEY
ENTRYPOINT ["/play/bin/shop"]
