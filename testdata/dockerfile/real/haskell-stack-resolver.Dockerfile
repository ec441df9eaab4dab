# RESOLVER stackage snapshot
ARG RESOLVER=lts-22.39
FROM fpco/stack-build:${RESOLVER} AS stack
ARG RESOLVER
WORKDIR /opt/build
COPY stack.yaml package.yaml stack.yaml.lock /opt/build/
RUN stack build --system-ghc --resolver ${RESOLVER} --dependencies-only
COPY . /opt/build
RUN stack build --system-ghc --resolver ${RESOLVER}
RUN mv "$(stack path --local-install-root --system-ghc)/bin" /opt/build/bin
FROM ubuntu:20.04
RUN mkdir -p /opt/app
WORKDIR /opt/app
RUN apt-get update && apt-get install -y ca-certificates libgmp-dev
COPY --from=stack /opt/build/bin .
CMD ["/opt/app/site"]
