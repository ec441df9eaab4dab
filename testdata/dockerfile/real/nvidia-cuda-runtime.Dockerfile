ARG CUDA=12.4.1
ARG UBUNTU=22.04
ARG FLAVOUR=cudnn
ARG BASE=nvidia/cuda:${CUDA}-${FLAVOUR:+${FLAVOUR}-}devel-ubuntu${UBUNTU}

FROM ${BASE} AS compile
ARG CUDA
# 70 V100, 80 A100, 90 H100
ARG ARCHS="70;80;90"
WORKDIR /w
COPY CMakeLists.txt .
COPY kernels kernels
RUN apt-get update && apt-get install -y --no-install-recommends cmake ninja-build \
    && cmake -GNinja -S . -B out -DCMAKE_CUDA_ARCHITECTURES="${ARCHS}" -DTAG=cu${CUDA//./} \
    && ninja -C out

FROM nvidia/cuda:${CUDA%.*}.0-base-ubuntu${UBUNTU}
ARG CUDA
LABEL com.example.cuda.major=${CUDA%%.*} com.example.cuda.minor="${CUDA#*.}"
COPY --from=compile /w/out/lib*.so /usr/local/lib/
RUN ldconfig
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    LD_LIBRARY_PATH="/usr/local/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
