FROM debian:12-slim
RUN <<EOF
apt-get update
apt-get install -y curl
  EOF
CMD ["curl"]
