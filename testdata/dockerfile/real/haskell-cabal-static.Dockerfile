FROM benz0li/ghc-musl:9.6 AS build
WORKDIR /mnt
RUN cabal update
COPY *.cabal cabal.project* ./
RUN --mount=type=cache,target=/root/.cabal/store,id=cabal-9.6 cabal build --only-dependencies --enable-executable-static
COPY . .
RUN --mount=type=cache,target=/root/.cabal/store,id=cabal-9.6 \
    cabal install exe:lens-api --installdir=/bin --install-method=copy --enable-executable-static --ghc-options='-O2 -optl-s'
FROM gcr.io/distroless/static
COPY --from=build /bin/lens-api /
ENTRYPOINT ["/lens-api", "+RTS", "-N", "-RTS"]
