FROM centos:7
RUN sed -i 's/mirrorlist/#mirrorlist/g;s|#baseurl=http://mirror.centos.org|baseurl=http://vault.example.org|g' /etc/yum.repos.d/CentOS-*
RUN yum install -y centos-release-scl && \
    yum install -y devtoolset-11-gcc-c++ rh-git227 && \
    yum clean all
# every later RUN needs the collection
SHELL ["/usr/bin/scl", "enable", "devtoolset-11", "rh-git227", "--", "bash", "-c"]
RUN gcc --version && git --version
COPY . /src
RUN cd /src && make
ENTRYPOINT scl enable devtoolset-11 -- /src/run
