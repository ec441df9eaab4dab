FROM ubuntu:20.04
ARG QT=6.5.3
ENV DEBIAN_FRONTEND=noninteractive QT_DIR=/opt/qt/${QT}/gcc_64 APPIMAGE_EXTRACT_AND_RUN=1
ENV PATH=${QT_DIR}/bin:$PATH LD_LIBRARY_PATH=${QT_DIR}/lib QT_PLUGIN_PATH=${QT_DIR}/plugins
RUN apt-get update && apt-get install -y python3-pip libgl1-mesa-dev libxkbcommon-x11-0 'libxcb-*' file wget patchelf \
    && pip3 install aqtinstall==3.1.18 \
    && aqt install-qt linux desktop ${QT} gcc_64 -O /opt/qt -m qtcharts qtmultimedia
ADD --chmod=755 https://github.com/linuxdeploy/linuxdeploy/releases/download/continuous/linuxdeploy-x86_64.AppImage /usr/local/bin/linuxdeploy
ADD --chmod=755 https://github.com/linuxdeploy/linuxdeploy-plugin-qt/releases/download/continuous/linuxdeploy-plugin-qt-x86_64.AppImage /usr/local/bin/linuxdeploy-plugin-qt
VOLUME /src /out
WORKDIR /src
CMD cmake -B /tmp/b -DCMAKE_INSTALL_PREFIX=/usr && cmake --build /tmp/b -j && DESTDIR=/tmp/AppDir cmake --install /tmp/b && cd /out && linuxdeploy --appdir /tmp/AppDir --plugin qt --output appimage
