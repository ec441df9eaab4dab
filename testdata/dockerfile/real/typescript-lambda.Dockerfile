FROM public.ecr.aws/lambda/nodejs:20 AS esbuild
WORKDIR /usr/app
COPY package.json package-lock.json index.ts ./
COPY lib lib
RUN npm ci && npx esbuild index.ts --bundle --minify --platform=node --target=node20 --outfile=dist/index.js

FROM public.ecr.aws/lambda/nodejs:20
WORKDIR ${LAMBDA_TASK_ROOT}
COPY --from=esbuild /usr/app/dist/* ./
ENV NODE_OPTIONS --enable-source-maps
CMD ["index.handler"]
