FROM hashicorp/packer:1.11.2@sha256:12c441b8a3994e7df9f0e2692d9298f14c387e70bcc06139420977dbf80a137b AS packer
FROM python:3.12-alpine3.20
COPY --from=packer /bin/packer /usr/local/bin/packer
RUN apk add --no-cache openssh-client git gcc musl-dev libffi-dev \
  && pip install --no-cache-dir 'ansible-core~=2.17' "pywinrm[kerberos]>=0.4" \
  && ansible-galaxy collection install amazon.aws community.general
RUN --mount=type=ssh,id=github,required \
    --mount=type=tmpfs,target=/tmp,size=64m \
    mkdir -m 0700 -p ~/.ssh && ssh-keyscan github.com >> ~/.ssh/known_hosts && \
    git clone git@github.com:example/packer-templates.git /templates
WORKDIR /templates
ENTRYPOINT ["packer"]
