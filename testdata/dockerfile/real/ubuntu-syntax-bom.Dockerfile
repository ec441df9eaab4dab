# syntax=docker/dockerfile:1.4
# escape=\
FROM ubuntu:20.04
run apt-get update ; \
  apt-get install -y cowsay
Entrypoint ["/usr/games/cowsay"]
Cmd moo \