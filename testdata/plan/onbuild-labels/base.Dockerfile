FROM scratch
COPY sh /bin/sh
COPY f /f
ONBUILD COPY f /k
ONBUILD RUN true   "$PATH"
