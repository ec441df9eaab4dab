FROM ubuntu:20.04
ENV DEBIAN_FRONTEND=noninteractive
RUN apt-get update -q -y
RUN apt-get upgrade -q -y
RUN apt-get install -q -y --no-install-recommends git make ccache ninja-build python3 bison flex \
  doxygen rpm wget xz-utils
EXPOSE
RUN wget -q https://github.com/osquery/osquery-toolchain/releases/download/1.1.0/osquery-toolchain-1.1.0-x86_64.tar.xz
