FROM pulumi/pulumi-nodejs-20:3.138.0 AS base
WORKDIR /pulumi/projects
COPY package.json package-lock.json Pulumi.yaml Pulumi.*.yaml ./
RUN npm ci
COPY index.ts tsconfig.json ./
COPY components ./components

FROM base AS preview
RUN --mount=type=secret,id=pulumi,env=PULUMI_ACCESS_TOKEN,required \
    --mount=type=secret,id=aws,target=/root/.aws/credentials,mode=0400 \
    pulumi preview --stack dev --diff --non-interactive > /preview.txt

FROM scratch AS report
COPY --from=preview /preview.txt /

FROM base
ENTRYPOINT ["pulumi"]
CMD ["--help"]
