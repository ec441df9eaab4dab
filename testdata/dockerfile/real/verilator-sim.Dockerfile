FROM verilator/verilator:v5.028 AS verilator
FROM ubuntu:22.04 AS yosys
RUN apt-get update && apt-get install -y curl xz-utils
ARG OSS_CAD=2024-11-01
RUN curl -L https://github.com/YosysHQ/oss-cad-suite-build/releases/download/$OSS_CAD/oss-cad-suite-linux-x64-${OSS_CAD//-/}.tgz | tar xz -C /opt

FROM ubuntu:22.04
RUN apt-get update && apt-get install -y --no-install-recommends make g++ python3 perl ccache libgoogle-perftools4 && rm -rf /var/lib/apt/lists/*
COPY --from=verilator /usr/local /usr/local
COPY --from=yosys /opt/oss-cad-suite /opt/oss-cad-suite
ENV PATH=/opt/oss-cad-suite/bin:$PATH
WORKDIR /rtl
ENTRYPOINT ["make", "-C", "/rtl"]
CMD ["sim"]
