ARG GCC=14
FROM gcc:${GCC} AS gcc-build
FROM silkeh/clang:19 AS clang-build
FROM ${CC_FAMILY:-gcc}-build AS compiler
WORKDIR /w
COPY . .
ARG CXXSTD=20
ARG SANITIZE
RUN cmake -B build -DCMAKE_CXX_STANDARD=$CXXSTD ${SANITIZE:+-DSANITIZE=$SANITIZE} \
	&& cmake --build build -j && ctest --test-dir build
