FROM --platform=linux/amd65/v1/x alpine
RUN true
