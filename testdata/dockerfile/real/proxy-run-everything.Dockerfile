FROM alpine:3.20
RUN --network=none ip link | grep -c 'state' > /links
RUN --network=host --mount=type=cache,id=apk,target=/etc/apk/cache,sharing=shared apk add bind-tools
RUN --mount=type=bind,from=alpine:3.19,src=/etc/os-release,dst=/old-release,readonly=true cat /old-release
RUN --mount=source=scripts,target=/scripts,rw --mount=type=tmpfs,destination=/tmp/work \
    --mount=type=secret,id=npmrc,target=/root/.npmrc,uid=0,gid=0,mode=0440,required=false \
    --mount=type=secret,source=aws,dst=/root/.aws/credentials \
    --mount=type=ssh,id=deploy,target=/tmp/agent.sock,mode=0666,uid=1000,required=false \
    /scripts/everything.sh
RUN --mount='type=bind,"source=dir,with comma",target=/d' --mount="type=cache,target=/c,sharing=private,uid=10,gid=20,mode=700" ls /d
ARG CACHE=/var/cache/x
RUN --mount=type=cache,target=${CACHE},id=x-${TARGETARCH:-any},from=alpine:3.19,source=/etc --mount=type=tmpfs,target=$CACHE-tmp,size=${SIZE:-32m} true
ONBUILD RUN --mount=type=cache,target=/c --network=none true
ONBUILD COPY --from=assets --link /dist /www
ONBUILD ADD --checksum=sha256:24454f830cdb571e2c4ad15481119c43b3cafd48dd869a9b2945d1036d1dc68d https://example.com/x.tar /x/
ONBUILD COPY <<MOTD <<ISSUE /etc/
Welcome to $HOSTNAME
MOTD
issue
ISSUE
ONBUILD USER nobody
ONBUILD CMD ["sh"]
CMD [""]
