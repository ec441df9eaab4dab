FROM debian:bookworm-slim
ENV HOME=/home/desk DISPLAY=:0 \
    RESOLUTION="1280x800x24" VNC_PASSWORD
RUN apt-get update && apt-get install -y --no-install-recommends xvfb x11vnc novnc fluxbox
CMD ["supervisord"]
