# forgot the base
ARG VERSION=1.0
WORKDIR /app
COPY . .
CMD ["./server", "-v", "$VERSION"]
