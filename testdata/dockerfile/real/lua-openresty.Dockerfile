from openresty/openresty:1.25.3.2-alpine-fat as rocks
run luarocks install lua-resty-jwt && luarocks install lua-resty-http
from openresty/openresty:1.25.3.2-alpine
copy --from=rocks /usr/local/openresty/luajit /usr/local/openresty/luajit
copy nginx.conf /usr/local/openresty/nginx/conf/nginx.conf
expose 8080
