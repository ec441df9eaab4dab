FROM debian:12 AS Builder
RUN make
FROM builder AS tester
RUN make check
FROM debian:12-slim
COPY --from=BUILDER /out /usr/local
