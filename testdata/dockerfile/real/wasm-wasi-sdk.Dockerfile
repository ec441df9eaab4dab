FROM ghcr.io/webassembly/wasi-sdk:wasi-sdk-24 AS cc
ENV CFLAGS="--target=wasm32-wasip1 --sysroot=/wasi-sysroot -Oz -flto" LDFLAGS="-Wl,--strip-all"
WORKDIR /src
COPY *.[ch] Makefile ./
RUN make CC=clang
FROM scratch
COPY --from=cc /src/filter.wasm /filter.wasm
ENTRYPOINT [ "filter.wasm" ]
