FROM node:18
ENV NODE_ENV=production PORT 3000
CMD ["node", "server.js"]
