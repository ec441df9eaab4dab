FROM alpine
RUN echo a > /a
FROM alpine
COPY --from=3 /a /a
