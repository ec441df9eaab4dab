FROM mcr.microsoft.com/azure-cli:2.66.0
ARG TERRAFORM=1.9.8
ARG KUBELOGIN=0.1.4
RUN --mount=type=tmpfs,target=/tmp,size=512m <<-EOF
	curl -sSfLo /tmp/tf.zip https://releases.example.com/terraform_${TERRAFORM}_linux_amd64.zip
	unzip -d /usr/local/bin /tmp/tf.zip terraform
	curl -sSfLo /tmp/kl.zip https://releases.example.com/kubelogin-${KUBELOGIN}.zip
	unzip -j -d /usr/local/bin /tmp/kl.zip '*/kubelogin'
EOF
WORKDIR /work
