FROM emscripten/emsdk:3.1.70@sha256:0fdd0d2d2f0de4d58ba7df15a8b3aab8eb28d2ea7f9ef7e5b86d25c0cafe6a10 AS emscripten
ARG \
    OPT=-O3 \
    # memory in MiB
    HEAP=64 \
    EXPORTS='["_malloc","_free","_render"]'
WORKDIR /src
COPY CMakeLists.txt ./
COPY src ./src
RUN emcmake cmake -B /out -DCMAKE_CXX_FLAGS="$OPT -msimd128" && cmake --build /out -j \
 && emcc $OPT /out/librender.a -o /out/render.mjs -sMODULARIZE -sINITIAL_MEMORY=$((HEAP * 1048576)) -sEXPORTED_FUNCTIONS="$EXPORTS"
FROM node:22-alpine
COPY --from=emscripten /out/render.mjs /out/render.wasm /lib/render/
CMD ["node", "-e", "import('/lib/render/render.mjs').then(m => m.default()).then(() => console.log('ok'))"]
