FROM mcr.microsoft.com/devcontainers/cpp:1-ubuntu-22.04 AS dev
ARG VCPKG_REF=2024.10.21
RUN git clone --depth 1 --branch ${VCPKG_REF} https://github.example.com/vcpkg /opt/vcpkg \
    && /opt/vcpkg/bootstrap-vcpkg.sh -disableMetrics
ENV VCPKG_ROOT=/opt/vcpkg \
    VCPKG_BINARY_SOURCES="clear;files,/vcpkg-cache,readwrite"

FROM dev AS build
WORKDIR /work
COPY vcpkg.json CMakeLists.txt CMakePresets.json ./
RUN --mount=type=cache,target=/vcpkg-cache,id=vcpkg-$VCPKG_REF cmake --preset release
COPY src/ src/
RUN --mount=type=cache,target=/vcpkg-cache,id=vcpkg-$VCPKG_REF \
    cmake --build --preset release --target install

FROM build AS test
RUN ctest --preset release --output-on-failure

FROM ubuntu:22.04 AS runtime
COPY --from=build /work/install /usr/local
RUN ldconfig
CMD ["solver", "--help"]
