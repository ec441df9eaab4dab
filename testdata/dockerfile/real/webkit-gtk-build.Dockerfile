FROM fedora:41 AS build
RUN dnf -y builddep webkitgtk && dnf -y install ninja-build cmake ccache sccache git-core
ARG WEBKIT=webkitgtk-2.46.3
ADD https://webkitgtk.org/releases/$WEBKIT.tar.xz /src/
WORKDIR /src
RUN tar xf $WEBKIT.tar.xz --strip-components=1
RUN --mount=type=cache,target=/ccache,id="ccache-$WEBKIT" CCACHE_DIR=/ccache \
 cmake -GNinja -Bbuild -DPORT=GTK -DCMAKE_BUILD_TYPE=Release \
 -DENABLE_MINIBROWSER=ON \
 -DUSE_GTK4=ON \

 # the documentation needs too much memory
 -DENABLE_DOCUMENTATION=OFF \
 && ninja -C build -j$(($(nproc) / 2 + 1)) \
 && DESTDIR=/root-out ninja -C build install
FROM fedora:41
COPY --from=build /root-out /
RUN ldconfig
CMD MiniBrowser about:blank
