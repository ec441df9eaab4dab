FROM debian:12 AS stage1-deps
RUN apt-get update && apt-get install -y cmake ninja-build python3 g++ git
FROM stage1-deps AS src
ARG LLVM_TAG=llvmorg-19.1.3
ADD --keep-git-dir=true https://github.com/example/llvm-project.git#${LLVM_TAG} /llvm
FROM src AS stage1
ARG PROJECTS="clang;lld" TARGETS=X86;AArch64
RUN cmake -G Ninja -S /llvm/llvm -B /b1 -DLLVM_ENABLE_PROJECTS="$PROJECTS" -DLLVM_TARGETS_TO_BUILD="$TARGETS" && ninja -C /b1 install
FROM src AS stage2
COPY --from=stage1 /usr/local /usr/local
RUN CC=clang CXX=clang++ cmake -G Ninja -S /llvm/llvm -B /b2 -DLLVM_ENABLE_LTO=Thin && ninja -C /b2 install
FROM debian:12-slim
COPY --from=stage2 /usr/local /usr/local
