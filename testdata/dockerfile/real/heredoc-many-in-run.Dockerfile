FROM debian:12
RUN cat <<A <<B > /both
from a
A
from b
B
RUN 3<<FD cat /dev/fd/3
numbered
FD
RUN <<EOF1 cat > /one && <<EOF2 cat > /two
1
EOF1
2
EOF2
