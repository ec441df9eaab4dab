FROM openresty/openresty:1.25.3.2-bookworm-fat
ONBUILD COPY lua/ /usr/local/openresty/site/lualib/
RUN opm get ledgetech/lua-resty-http \
&& opm get thibaultcha/lua-resty-jit-uuid \
&& luarocks install lua-cjson 2.1.0-1
COPY nginx.conf /usr/local/openresty/nginx/conf/nginx.conf
ENV LUA_PATH=";;/usr/local/openresty/site/lualib/?.lua" \
    LUA_CPATH=";;/usr/local/openresty/site/lualib/?.so"
HEALTHCHECK --interval=5s --timeout=1s --start-interval=500ms --start-period=20s CMD curl -fsS http://localhost/ping
CMD ["openresty", "-g", "daemon off;"]
