# check=skip=SecretsUsedInArgOrEnv,JSONArgsRecommended;experimental=InvalidDefinitionDescription
# TERRAFORM is the release that CI uses
ARG TERRAFORM=1.9.8
# of the linters, this one breaks most often
ARG TFLINT=0.53.0
ARG KUBECTL=v1.31.2

FROM hashicorp/terraform:${TERRAFORM} AS terraform
FROM ghcr.io/terraform-linters/tflint:v${TFLINT} AS tflint
FROM bitnami/kubectl:${KUBECTL#v} AS kubectl
FROM infracost/infracost:ci-0.10 AS infracost

# toolbox has it all
FROM alpine:3.20 AS toolbox
RUN apk add --no-cache bash git jq openssh-client python3 \
    && ln -s /usr/bin/python3 /usr/local/bin/python
COPY --from=terraform /bin/terraform /usr/local/bin/
COPY --from=tflint    /usr/local/bin/tflint /usr/local/bin/
COPY --from=kubectl   /opt/bitnami/kubectl/bin/kubectl /usr/local/bin/
COPY --from=infracost /usr/bin/infracost /usr/local/bin/
ENV TF_PLUGIN_CACHE_DIR=/plugins TF_IN_AUTOMATION=1 TF_TOKEN_app_terraform_io=
RUN mkdir -p -m 1777 $TF_PLUGIN_CACHE_DIR
WORKDIR /infra
CMD bash
