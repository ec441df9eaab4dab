FROM scratch
ENV E=1
COPY f /f
ONBUILD LABEL trigger=$E
USER 5
