FROM debian:12
RUN apt-get update && \
    apt-get install -y curl \
    ca-certificates

ENV A=1 \

    B=2
CMD ["curl"]