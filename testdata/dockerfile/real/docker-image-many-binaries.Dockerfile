# One image with the tools of a platform team; every tool has a stage of its own, so that they are fetched side by side.
ARG ALPINE=3.20
FROM --platform=$BUILDPLATFORM alpine:${ALPINE} AS dl
RUN apk add --no-cache curl tar unzip
WORKDIR /dl
ARG TARGETARCH
# DL host that mirrors the releases
ARG DL=https://mirror.example.com
FROM dl AS helm
ARG HELM=3.16.2
RUN curl -sSL $DL/helm-v$HELM-linux-$TARGETARCH.tar.gz | tar xz --strip-components=1
FROM dl AS helmfile
ARG HELMFILE=0.169.1
RUN curl -sSL $DL/helmfile_${HELMFILE}_linux_$TARGETARCH.tar.gz | tar xz
FROM dl AS kubectl
ARG KUBECTL=1.31.2
ADD --chmod=755 https://mirror.example.com/kubectl/v${KUBECTL}/${TARGETARCH}/kubectl kubectl
FROM dl AS kustomize
ARG KUSTOMIZE=5.5.0
RUN curl -sSL $DL/kustomize_v$KUSTOMIZE.tar.gz | tar xz
FROM dl AS k9s
ARG K9S=0.32.5
RUN curl -sSL $DL/k9s_Linux_$TARGETARCH-$K9S.tar.gz | tar xz k9s
FROM dl AS stern
ARG STERN=1.31.0
RUN curl -sSL $DL/stern_${STERN}_linux_$TARGETARCH.tar.gz | tar xz stern
FROM dl AS terraform
ARG TERRAFORM=1.9.8
RUN curl -sSLO $DL/terraform_$TERRAFORM.zip && unzip terraform_$TERRAFORM.zip
FROM dl AS tofu
ARG TOFU=1.8.5
RUN curl -sSLO $DL/tofu_$TOFU.zip && unzip tofu_$TOFU.zip
FROM dl AS tflint
ARG TFLINT=0.54.0
RUN curl -sSLo t.zip $DL/tflint_$TFLINT.zip && unzip t.zip
FROM dl AS vault
ARG VAULT=1.18.1
RUN --mount=type=cache,target=/var/cache/dl curl -sSLo /var/cache/dl/v-$VAULT.zip $DL/vault_$VAULT.zip && unzip /var/cache/dl/v-$VAULT.zip
FROM dl AS sops
ARG SOPS=3.9.1
RUN curl -sSLo sops $DL/sops-v$SOPS.linux.$TARGETARCH && chmod +x sops
FROM dl AS age
ARG AGE=1.2.0
RUN curl -sSL $DL/age-v$AGE-linux-$TARGETARCH.tar.gz | tar xz --strip-components=1
FROM dl AS cosign
ARG COSIGN=2.4.1
RUN curl -sSLo cosign $DL/cosign-linux-$TARGETARCH-$COSIGN && chmod +x cosign
FROM dl AS crane
ARG CRANE=0.20.2
RUN curl -sSL $DL/go-containerregistry-$CRANE.tar.gz | tar xz crane
FROM dl AS dive
ARG DIVE=0.12.0
RUN curl -sSL $DL/dive_${DIVE}_linux_$TARGETARCH.tar.gz | tar xz dive
FROM dl AS trivy
ARG TRIVY=0.57.0
RUN curl -sSL $DL/trivy_$TRIVY.tar.gz | tar xz trivy
FROM dl AS syft
ARG SYFT=1.16.0
RUN curl -sSL $DL/syft_$SYFT.tar.gz | tar xz syft
FROM dl AS gh
ARG GH=2.62.0
RUN --mount=type=secret,id=gh_token,env=GH_TOKEN curl -H "Authorization: $GH_TOKEN" -sSL $DL/gh_${GH}_linux_$TARGETARCH.tar.gz | tar xz --strip-components=2
FROM dl AS argocd
ARG ARGOCD=2.13.0
RUN curl -sSLo argocd $DL/argocd-linux-$TARGETARCH-$ARGOCD && chmod +x argocd
FROM dl AS flux
ARG FLUX=2.4.0
RUN curl -sSL $DL/flux_$FLUX.tar.gz | tar xz
FROM dl AS yq
ARG YQ=4.44.3
RUN curl -sSLo yq $DL/yq_linux_$TARGETARCH-$YQ && chmod +x yq
FROM dl AS unused-for-now
ARG NEVER=1
RUN false
# toolbox is what people start
FROM alpine:${ALPINE} AS toolbox
RUN apk add --no-cache bash git openssh-client
COPY --link --from=helm /dl/helm /usr/local/bin/
COPY --link --from=helmfile /dl/helmfile /usr/local/bin/
COPY --link --from=kubectl /dl/kubectl /usr/local/bin/
COPY --link --from=kustomize /dl/kustomize /usr/local/bin/
COPY --link --from=k9s /dl/k9s /usr/local/bin/
COPY --link --from=stern /dl/stern /usr/local/bin/
COPY --link --from=terraform /dl/terraform /usr/local/bin/
COPY --link --from=tofu /dl/tofu /usr/local/bin/
COPY --link --from=tflint /dl/tflint /usr/local/bin/
COPY --link --from=vault /dl/vault /usr/local/bin/
COPY --link --from=sops /dl/sops /usr/local/bin/
COPY --link --from=age /dl/age* /usr/local/bin/
COPY --link --from=cosign /dl/cosign /usr/local/bin/
COPY --link --from=crane /dl/crane /usr/local/bin/
COPY --link --from=dive /dl/dive /usr/local/bin/
COPY --link --from=trivy /dl/trivy /usr/local/bin/
COPY --link --from=syft /dl/syft /usr/local/bin/
COPY --link --from=gh /dl/gh /usr/local/bin/
COPY --link --from=argocd /dl/argocd /usr/local/bin/
COPY --link --from=flux /dl/flux /usr/local/bin/
COPY --link --from=yq /dl/yq /usr/local/bin/
CMD ["bash", "-l"]
