FROM scratch
COPY ["Read Me.txt", "docs/User Guide.pdf", "/usr/share/doc/my app/"]
COPY --chmod=u=rwX,go=rX ["scripts/", "/opt/scripts dir/"]
ADD ["https://example.com/a b.tar", "/tmp/"]
