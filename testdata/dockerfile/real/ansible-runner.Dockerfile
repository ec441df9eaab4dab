FROM quay.io/centos/centos:stream9
ARG ANSIBLE_CORE
RUN dnf -y install python3.11 python3.11-pip git openssh-clients sshpass && dnf clean all
RUN python3.11 -m pip install --no-cache-dir ansible-core${ANSIBLE_CORE:+==$ANSIBLE_CORE} ansible-runner
RUN --mount=type=ssh mkdir -p -m 0700 ~/.ssh \
    && ssh-keyscan git.example.com >> ~/.ssh/known_hosts \
    && ansible-galaxy collection install git+ssh://git@git.example.com/infra/collection.git
WORKDIR /runner
ENV RUNNER_BASE_COMMAND=ansible-playbook HOME=/runner
CMD ["ansible-runner", "run", "/runner"]
