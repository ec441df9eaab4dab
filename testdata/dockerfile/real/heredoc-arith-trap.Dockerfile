FROM bash:5.2
RUN echo $((1 << 4))
RUN echo done
