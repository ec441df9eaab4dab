FROM cypress/included:13.15.1
WORKDIR /e2e
ENV CI=1 CYPRESS_VIDEO=false
COPY package*.json cypress.config.* ./
RUN npm ci --ignore-scripts
COPY cypress/ cypress/
ENTRYPOINT []
CMD ["npx", "cypress", "run", "--browser", "chrome"]
