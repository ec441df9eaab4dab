FROM perl:5.40-slim AS deps
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev make libpq-dev
RUN cpanm --notest Carton
WORKDIR /app
COPY cpanfile cpanfile.snapshot ./
RUN carton install --deployment --without develop

FROM perl:5.40-slim
RUN apt-get update && apt-get install -y --no-install-recommends libpq5 && rm -rf /var/lib/apt/lists/*
ENV PERL5LIB=/app/local/lib/perl5 PATH=/app/local/bin:$PATH MOJO_MODE=production
WORKDIR /app
COPY --from=deps /app/local local
COPY script script
COPY lib lib
COPY templates templates
COPY public public
EXPOSE 8080
USER 33:33
CMD ["hypnotoad", "-f", "script/myapp"]
