FROM swift:5.10-jammy AS compile
ARG CONFIGURATION=release
WORKDIR /pkg
COPY Package.resolved Package.swift ./
RUN swift package resolve --force-resolved-versions
COPY Sources ./Sources
COPY Tests ./Tests
RUN --mount=type=cache,target=/pkg/.build,sharing=locked \
    swift build --configuration ${CONFIGURATION} --static-swift-stdlib && \
    install -D "$(swift build -c ${CONFIGURATION} --show-bin-path)/Server" /dist/bin/server

# resources are found beside the binary
FROM compile AS resources
COPY Public /dist/Public
COPY Resources /dist/Resources
RUN find /dist/Public /dist/Resources -type d -exec chmod 0555 {} + -o -type f -exec chmod 0444 {} +

FROM ubuntu:jammy-20240911.1
RUN groupadd -r swift && useradd -r -g swift -d /dist swift && apt-get update && apt-get install -y libcurl4 libxml2 tzdata && rm -r /var/lib/apt/lists/*
COPY --from=resources /dist /dist
WORKDIR /dist
USER swift:swift
EXPOSE 8080
ENTRYPOINT ["bin/server"]
CMD ["serve", "-e", "production", "-b", "0.0.0.0:8080"]
