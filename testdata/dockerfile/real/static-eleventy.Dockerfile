FROM node:22-alpine AS site
WORKDIR /src
COPY package.json package-lock.json eleventy.config.js ./
RUN --mount=type=cache,target=/root/.npm,id=npm-11ty npm ci
COPY _includes ./_includes
COPY content ./content
RUN npx @11ty/eleventy --output=/www \
    # drafts only on the preview server
    --quiet
RUN find /www -type f \( -name '*.html' -o -name '*.css' -o -name '*.js' \) -exec gzip -k9 {} \;

FROM lipanski/docker-static-website:2.4.0
COPY --from=site /www .
