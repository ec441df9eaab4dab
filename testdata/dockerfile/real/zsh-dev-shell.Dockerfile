# syntax=docker/dockerfile:1
FROM archlinux:base-devel-20241020.0.273018 AS shell
RUN sed -i 's/^#\(ParallelDownloads\).*/\1 = 8/' /etc/pacman.conf && pacman -Syu --noconfirm --needed zsh git neovim tmux fzf zoxide starship
RUN useradd -m -s /bin/zsh -G wheel me && echo '%wheel ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/wheel
SHELL ["/bin/zsh", "-o", "errexit", "-o", "nounset", "-c"]
USER me
WORKDIR /home/me
COPY --chown=me:me --chmod=u=rw,go=r <<'.zshrc' <<'.zprofile' <<".tmux.conf" ./
autoload -Uz compinit && compinit
setopt hist_ignore_dups share_history extended_glob
eval "$(starship init zsh)"
for f in ~/.zsh/*.zsh(N); do source $f; done
.zshrc
export PATH="$HOME/.local/bin:$PATH"
.zprofile
set -g mouse on
set -g default-terminal "tmux-256color"
.tmux.conf
RUN <<'PLUGINS'
dirs=(~/.zsh ~/.cache/zsh)
mkdir -p $dirs
for repo (zsh-users/zsh-autosuggestions zsh-users/zsh-syntax-highlighting) {
  git clone --depth 1 https://github.com/$repo.git ~/.zsh/${repo:t}
}
PLUGINS
CMD ["/bin/zsh", "-l"]
