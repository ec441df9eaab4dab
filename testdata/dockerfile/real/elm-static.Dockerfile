FROM node:16-alpine AS elm
RUN npm i -g elm@0.19.1-6 uglify-js@3
WORKDIR /site
COPY elm.json .
COPY src src
RUN elm make src/Main.elm --optimize --output=app.js && uglifyjs app.js -c 'pure_funcs=[F2,F3,A2,A3],pure_getters,unsafe' | uglifyjs --mangle -o app.min.js
FROM pierrezemb/gostatic
COPY --from=elm /site/app.min.js /srv/http/
COPY index.html /srv/http/
