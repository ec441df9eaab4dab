FROM --platform=$BUILDPLATFORM node:22.11.0-bookworm AS build
WORKDIR /build
COPY --link package.json package-lock.json tsconfig*.json ./
RUN npm ci
COPY --link src/ src/
RUN npx tsc --project tsconfig.build.json && npm prune --omit=dev

FROM gcr.io/distroless/nodejs22-debian12:nonroot@sha256:7d3a0a2c3f4d1be5f7a0c85b9df8fb7e6d4a2b1c0f9e8d7c6b5a49382716f5e4
COPY --from=build --chown=65532:65532 /build/node_modules /app/node_modules
COPY --from=build --chown=65532:65532 /build/dist /app/dist
WORKDIR /app
ENV NODE_OPTIONS="--enable-source-maps --unhandled-rejections=strict"
CMD ["dist/main.js"]
