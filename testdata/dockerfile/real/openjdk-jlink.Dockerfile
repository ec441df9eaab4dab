FROM eclipse-temurin:21-jdk-alpine AS jre
RUN apk add --no-cache binutils
WORKDIR /work
COPY build/libs/app.jar app.jar
RUN <<EOF bash -e
modules=$(jdeps --ignore-missing-deps -q --recursive --multi-release 21 --print-module-deps app.jar)
jlink --add-modules "${modules},jdk.crypto.ec" --strip-debug --no-man-pages --no-header-files --compress=zip-6 --output /jre
EOF

FROM alpine:3.20
ENV JAVA_HOME=/opt/jre
ENV PATH=$JAVA_HOME/bin:$PATH
COPY --from=jre /jre $JAVA_HOME
COPY --from=jre /work/app.jar /app.jar
CMD ["java", "-XX:MaxRAMPercentage=75", "-jar", "/app.jar"]
