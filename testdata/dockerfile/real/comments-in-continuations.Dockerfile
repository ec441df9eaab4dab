FROM debian:12
RUN echo one \
# at the margin
  && echo two \
    # indented

  && echo three \
# the last one ends the instruction
CMD ["true"]
