FROM node:18.20-bullseye AS build
WORKDIR /pkg
COPY .yarnrc.yml yarn.lock package.json .pnp.* ./
COPY .yarn/releases .yarn/releases
COPY .yarn/plugins .yarn/plugins
COPY .yarn/patches .yarn/patches
RUN --mount=type=cache,target=/pkg/.yarn/cache,sharing=locked,uid=0,gid=0,mode=0755 yarn install --immutable --inline-builds
COPY tsconfig.json ./
COPY src ./src
RUN --mount=type=cache,target=/pkg/.yarn/cache,sharing=locked,uid=0,gid=0,mode=0755 \
    yarn tsc -b && yarn workspaces focus --production
FROM node:18.20-bullseye-slim
WORKDIR /pkg
COPY --from=build /pkg .
RUN yarn --version
ENTRYPOINT ["yarn", "node"]
CMD ["./dist/index.js"]
