FROM ubuntu:24.04
RNU apt-get update
CMD ["bash"]
