FROM mcr.microsoft.com/devcontainers/base:1.1.6-ubuntu-24.04
ARG USERNAME=vscode
ARG NODE=22 GO=1.23.2 PYTHON
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
RUN <<PACKAGES
export DEBIAN_FRONTEND=noninteractive
apt-get update
apt-get -y install --no-install-recommends clangd-18 gdb lldb-18 ripgrep fd-find
ln -s /usr/bin/fdfind /usr/local/bin/fd
PACKAGES
RUN <<NODE
curl -fsSL https://deb.nodesource.com/setup_$NODE.x | bash -
apt-get install -y nodejs
NODE
RUN curl -fsSL https://go.dev/dl/go${GO}.linux-$(dpkg --print-architecture).tar.gz | tar -C /usr/local -xz
RUN [[ -z "$PYTHON" ]] || { add-apt-repository -y ppa:deadsnakes/ppa && apt-get install -y python${PYTHON}-venv; }
ENV PATH=/usr/local/go/bin:/home/${USERNAME}/go/bin:$PATH
USER ${USERNAME}
RUN mkdir -p ~/.config/fish/conf.d && echo 'set -gx EDITOR "code --wait"' > ~/.config/fish/conf.d/editor.fish
