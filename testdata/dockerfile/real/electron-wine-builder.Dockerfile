FROM electronuserland/builder:wine AS pack
ARG GH_TOKEN
ENV ELECTRON_CACHE=/root/.cache/electron ELECTRON_BUILDER_CACHE=/root/.cache/electron-builder
WORKDIR /project
COPY package.json yarn.lock electron-builder.yml ./
RUN --mount=type=cache,target=/root/.cache yarn --frozen-lockfile
COPY app app
RUN --mount=type=cache,target=/root/.cache yarn dist -wl
FROM scratch AS export
COPY --from=pack /project/release/*.AppImage /project/release/*.exe /
