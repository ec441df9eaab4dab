FROM alpine:3.20
Run apk add curl
RUN apk add wget
run apk add git
Copy . /src
CMD ["sh"]
