FROM scratch
ARG CREATED REVISION=${REVISION:-none} VERSION
LABEL \
  org.opencontainers.image.created="${CREATED}" \
  org.opencontainers.image.authors="A <a@example.com>, \
B <b@example.com>" \
  org.opencontainers.image.revision=$REVISION \
  \
  org.opencontainers.image.version='${VERSION}' \
# licences as in LICENSES/
  org.opencontainers.image.licenses=Apache-2.0\ AND\ MIT \
  org.opencontainers.image.description="says \"hello\" in \$LANG" \
  org.opencontainers.image.url=https://example.com/?a=b&c=d#frag \
  "multi word key"="multi word value" \
  empty= quoted-empty=''
LABEL io.k8s.display-name="x" io.openshift.tags='a,b' version=
