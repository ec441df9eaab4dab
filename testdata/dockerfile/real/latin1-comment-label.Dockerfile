FROM alpine:3.20
# café in the old way
LABEL note="café"
RUN echo "naïve"
