FROM scratch
ENV Z=z Y=y
COPY f /f
