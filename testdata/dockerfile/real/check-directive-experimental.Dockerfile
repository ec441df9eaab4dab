# check=experimental=all
# escape=\
ARG UPSTREAM=debian:12
# here the base is described without its name
FROM ${UPSTREAM} AS base
# OPTION is described
ARG OPTION=1
# something about the other
ARG OTHER=2
FROM base AS final
RUN true
