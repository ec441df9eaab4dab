FROM alpine/helm:3.16.2 AS helm-bin
FROM bitnami/kubectl:1.31 AS kubectl-bin
FROM mikefarah/yq:4 as yq-bin
FROM hashicorp/terraform:1.9 AS tf-bin
FROM alpine:3.20
RUN apk add --update --no-cache bash ca-certificates curl git gnupg jq make openssh-client
COPY --from=helm-bin /usr/bin/helm /usr/local/bin/helm
COPY --from=kubectl-bin /opt/bitnami/kubectl/bin/kubectl /usr/local/bin/kubectl
COPY --from=yq-bin /usr/bin/yq /usr/local/bin/yq
COPY --from=tf-bin /bin/terraform /usr/local/bin/terraform
COPY --from=docker:27-cli /usr/local/bin/docker /usr/local/bin/docker
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
ENTRYPOINT []
