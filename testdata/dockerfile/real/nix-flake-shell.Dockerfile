FROM nixos/nix:2.24.9 AS builder
COPY --parents flake.nix flake.lock nix/**/*.nix /src/
WORKDIR /src
RUN <<NIX
set -e
mkdir -p ~/.config/nix
printf '%s\n' 'experimental-features = nix-command flakes' 'sandbox = false' > ~/.config/nix/nix.conf
nix build .#default --out-link /result
mkdir /closure
cp -a $(nix-store -qR /result) /closure
NIX
FROM scratch
COPY --from=builder /closure /nix/store
COPY --from=builder /result /app
CMD ["/app/bin/service"]
