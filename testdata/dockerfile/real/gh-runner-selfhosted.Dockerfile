FROM ubuntu:22.04
ARG RUNNER_VERSION=2.320.0
ARG TARGETPLATFORM
ARG RUNNER_TOKEN
LABEL org.opencontainers.image.source=https://github.example.com/acme/runner
RUN export RUNNER_ARCH=$(echo ${TARGETPLATFORM} | cut -d / -f 2) \
    && if [ "$RUNNER_ARCH" = "amd64" ]; then export RUNNER_ARCH=x64 ; fi \
    && curl -f -L -o runner.tar.gz https://dl.example.com/v${RUNNER_VERSION}/actions-runner-linux-${RUNNER_ARCH}-${RUNNER_VERSION}.tar.gz \
    && tar xzf ./runner.tar.gz && rm runner.tar.gz
RUN adduser --disabled-password --gecos "" --uid 1001 runner \
    && usermod -aG sudo runner \
    && echo "%sudo   ALL=(ALL:ALL) NOPASSWD:ALL" > /etc/sudoers
ENV RUNNER_MANUALLY_TRAP_SIG=1 \
    ACTIONS_RUNNER_PRINT_LOG_TO_STDOUT=1
USER runner
