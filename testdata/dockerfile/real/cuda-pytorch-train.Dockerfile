ARG CUDA=12.4.1
ARG CUDNN=cudnn
FROM nvidia/cuda:${CUDA}-${CUDNN}-devel-ubuntu22.04 AS builder
ARG TORCH_CUDA_ARCH_LIST="8.0;8.6;8.9;9.0+PTX"
ARG MAX_JOBS=8
ENV TORCH_CUDA_ARCH_LIST=${TORCH_CUDA_ARCH_LIST} MAX_JOBS=${MAX_JOBS}
RUN apt-get update && apt-get install -y python3-pip python3-dev ninja-build
RUN --mount=type=cache,target=/root/.cache/pip pip install torch==2.5.1 --index-url https://pypi.example.org/cu124
COPY csrc /build/csrc
RUN --mount=type=cache,target=/root/.cache/pip pip wheel --no-deps -w /wheels /build/csrc
FROM nvidia/cuda:${CUDA}-${CUDNN}-runtime-ubuntu22.04
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
ENV HF_TOKEN=
COPY --from=builder /wheels /wheels
RUN --mount=type=bind,from=builder,source=/root/.cache,target=/root/.cache pip install /wheels/*.whl
WORKDIR /workspace
SHELL ["/bin/bash", "-c"]
CMD torchrun --nproc_per_node=gpu train.py
