FROM ocaml/opam:debian-12-ocaml-5.2 AS build
USER opam
WORKDIR /home/opam/app
COPY --chown=opam *.opam dune-project ./
RUN opam install . --deps-only --with-test -y
COPY --chown=opam:opam . .
RUN eval $(opam env) && dune build @install --profile release && dune runtest
RUN eval $(opam env) && dune install --prefix /home/opam/out --relocatable

FROM debian:12-slim
COPY --from=build /home/opam/out/bin /usr/local/bin
RUN ["useradd", "-r", "-s", "/usr/sbin/nologin", "camel"]
USER camel
ENTRYPOINT ["ledgerd"]
