ARG ALPINE=3.20
FROM alpine:${ALPINE} AS base
RUN apk add --no-cache build-base curl nasm yasm pkgconf cmake meson ninja git bash
ENV PREFIX=/opt/ff PKG_CONFIG_PATH=/opt/ff/lib/pkgconfig CFLAGS="-O3 -static -fPIC"
WORKDIR /tmp/src

FROM base AS x264
ARG X264_REF=stable
RUN git clone -b $X264_REF --depth 1 https://code.example.org/x264.git . && ./configure --prefix=$PREFIX --enable-static && make -j4 install

FROM base AS x265
ARG X265=3.6
ADD https://src.example.org/x265_${X265}.tar.gz /tmp/x265.tar.gz
RUN tar xzf /tmp/x265.tar.gz --strip-components=1 && cd build/linux && cmake -G Ninja -DENABLE_SHARED=0 ../../source && ninja install

FROM base AS vpx
ARG VPX=1.14.1
RUN curl -L https://src.example.org/libvpx-v${VPX}.tar.gz | tar xz --strip-components=1 \
 && ./configure --prefix=$PREFIX --disable-shared --enable-vp9-highbitdepth && make install

FROM base AS aom
ARG AOM=3.10.0
RUN git clone --depth 1 -b v$AOM https://code.example.org/aom . && mkdir -p /tmp/b && cd /tmp/b && cmake /tmp/src && make install

FROM base AS dav1d
ARG DAV1D=1.5.0
RUN git clone --depth 1 -b $DAV1D https://code.example.org/dav1d . && meson setup build --prefix=$PREFIX -Ddefault_library=static && ninja -C build install

FROM base AS opus
ARG OPUS=1.5.2
RUN curl -L https://src.example.org/opus-${OPUS}.tar.gz | tar xz --strip-components=1 && ./configure --prefix=$PREFIX --disable-shared && make install

FROM base AS lame
ARG LAME=3.100
RUN curl -L https://src.example.org/lame-${LAME}.tar.gz | tar xz --strip-components=1 && ./configure --prefix=$PREFIX --disable-shared && make install

FROM base AS webp
ARG WEBP=1.4.0
RUN curl -L https://src.example.org/libwebp-${WEBP}.tar.gz | tar xz --strip-components=1 && ./configure --prefix=$PREFIX && make install

FROM base AS ass
COPY --from=harfbuzz-prebuilt:9 /opt/ff /opt/ff
RUN curl -L https://src.example.org/libass-0.17.3.tar.gz | tar xz --strip-components=1 && ./configure --prefix=$PREFIX && make install

FROM base AS deps
COPY --from=x264 $PREFIX $PREFIX
COPY --from=x265 $PREFIX $PREFIX
COPY --from=vpx $PREFIX $PREFIX
COPY --from=aom $PREFIX $PREFIX
COPY --from=dav1d $PREFIX $PREFIX
COPY --from=opus $PREFIX $PREFIX
COPY --from=lame $PREFIX $PREFIX
COPY --from=webp $PREFIX $PREFIX
COPY --from=ass $PREFIX $PREFIX

FROM deps AS ffmpeg
ARG FFMPEG=7.1
RUN curl -L https://src.example.org/ffmpeg-${FFMPEG}.tar.xz | tar xJ --strip-components=1
RUN ./configure --prefix=$PREFIX --pkg-config-flags=--static --enable-gpl --enable-version3 \
      --enable-libx264 --enable-libx265 --enable-libvpx --enable-libaom --enable-libdav1d \
      --enable-libopus --enable-libmp3lame --enable-libwebp --enable-libass \
      --extra-ldflags=-static && make -j4 install
FROM ffmpeg AS selftest
RUN /opt/ff/bin/ffmpeg -hide_banner -encoders | grep -E 'libx26[45]'
FROM scratch
COPY --from=ffmpeg /opt/ff/bin/ff* /
ENTRYPOINT ["/ffmpeg"]
