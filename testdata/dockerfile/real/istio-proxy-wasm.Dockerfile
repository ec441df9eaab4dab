FROM tinygo/tinygo:0.34.0 AS wasm
COPY --chown=tinygo . /src
WORKDIR /src
RUN tinygo build -o plugin.wasm -scheduler=none -target=wasi ./...
FROM --platform=wasi/wasm scratch
COPY --from=wasm /src/plugin.wasm ./
