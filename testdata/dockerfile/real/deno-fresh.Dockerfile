FROM denoland/deno:2.0.6
ARG GIT_REVISION
ENV DENO_DEPLOYMENT_ID=${GIT_REVISION}
WORKDIR /app
COPY . .
RUN deno cache main.ts
RUN --network=none deno task build
EXPOSE 8000
USER deno
CMD ["run", "-A", "main.ts"]
