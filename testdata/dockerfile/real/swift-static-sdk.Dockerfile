FROM swift:6.0.2-noble AS build
ARG SDK_URL=https://download.swift.org/swift-6.0.2-release/static-sdk/swift-6.0.2-RELEASE/swift-6.0.2-RELEASE_static-linux-0.0.1.artifactbundle.tar.gz
ARG SDK_SHA=aa5515476a403797223fc2aad4ca0c3bf83995d5427fb297cab1d93c68cee075
RUN swift sdk install "$SDK_URL" --checksum $SDK_SHA
ARG TARGETARCH
ENV TRIPLE_amd64=x86_64-swift-linux-musl TRIPLE_arm64=aarch64-swift-linux-musl
WORKDIR /pkg
COPY Package.swift Package.resolved ./
COPY Sources Sources
RUN eval "swift build -c release --swift-sdk \$TRIPLE_${TARGETARCH}"
RUN mv .build/*/release/Tool /Tool
FROM scratch
COPY --from=build /Tool /
ENTRYPOINT ["/Tool"]
