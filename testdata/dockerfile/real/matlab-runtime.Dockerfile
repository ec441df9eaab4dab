FROM mathworks/matlab-deps:r2024b
ARG MATLAB_RELEASE=r2024b
ARG MATLAB_INSTALL_LOCATION="/opt/matlab/${MATLAB_RELEASE}"
ARG LICENSE_SERVER
RUN adduser --shell /bin/bash --disabled-password --gecos "" matlab && \
    echo "matlab ALL=(ALL) NOPASSWD: ALL" > /etc/sudoers.d/matlab
RUN wget -q https://www.example.com/mpm/glnxa64/mpm && \
    chmod +x mpm && \
    ./mpm install --release=${MATLAB_RELEASE} --destination=${MATLAB_INSTALL_LOCATION} || \
    (echo "MPM failed" && cat /tmp/mathworks_root.log && false)
ENV MLM_LICENSE_FILE=$LICENSE_SERVER
ENV MW_CONTEXT_TAGS=MATLAB:DOCKERFILE:V1
ENTRYPOINT ["matlab"]
