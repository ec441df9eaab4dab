FROM ubuntu:20.04
ENV LANG C.UTF-8
ENV GREETING   hello   world
ENV QUOTED "in quotes" and more
ENV A=1 B="two words" C=three\ words D='$A' E="$A"
ENV PATHS /opt/a:\
/opt/b
LABEL description This label has no equals sign
LABEL a=b "c d"="e f" g=$A
RUN echo "$GREETING"
