ARG NGINX_VERSION=1.26.2
ARG DEBIAN=bookworm

FROM nginx:${NGINX_VERSION}-${DEBIAN} AS build
ARG NGINX_VERSION
ARG BROTLI_COMMIT=a71f9312c2deb28875acc7bacfdd5695a111aa53 HEADERS_MORE=0.37
ENV CFLAGS="-O2 -fstack-protector-strong" \
    LDFLAGS='-Wl,-z,relro -Wl,-z,now'
WORKDIR /usr/src
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
      # tools
      build-essential cmake git \
      # libraries
      libpcre2-dev \
      libssl-dev \
      zlib1g-dev \
 && rm -rf /var/lib/apt/lists/*
ADD https://nginx.org/download/nginx-${NGINX_VERSION}.tar.gz ./
ADD https://github.com/openresty/headers-more-nginx-module/archive/refs/tags/v${HEADERS_MORE}.tar.gz ./headers-more.tar.gz
RUN git clone --recurse-submodules https://github.com/google/ngx_brotli.git \
 && git -C ngx_brotli checkout "$BROTLI_COMMIT" \
 && tar xf nginx-${NGINX_VERSION}.tar.gz \
 && tar xf headers-more.tar.gz
WORKDIR nginx-${NGINX_VERSION}
RUN ./configure --with-compat \
      --add-dynamic-module=../ngx_brotli \
      --add-dynamic-module=../headers-more-nginx-module-${HEADERS_MORE} \
 && make -j"$(nproc)" modules

FROM nginx:${NGINX_VERSION}-${DEBIAN}
ARG NGINX_VERSION
COPY --from=build /usr/src/nginx-${NGINX_VERSION}/objs/*.so /usr/lib/nginx/modules/
RUN sed -i '1i load_module modules/ngx_http_brotli_filter_module.so;\nload_module modules/ngx_http_headers_more_filter_module.so;' /etc/nginx/nginx.conf \
 && nginx -t
