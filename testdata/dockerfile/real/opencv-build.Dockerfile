FROM ubuntu:22.04 AS opencv

ARG DEBIAN_FRONTEND=noninteractive
ARG OPENCV_VERSION=4.10.0
ARG WITH_CONTRIB=1

RUN apt-get -qq update && apt-get -qq install -y \
	build-essential \
	cmake \
	ninja-build \
	pkg-config \
	wget unzip \
	libavcodec-dev libavformat-dev libswscale-dev \
	libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev \
	libjpeg-turbo8-dev libpng-dev libtiff-dev libwebp-dev \
	libtbb-dev libeigen3-dev libopenblas-dev \
	python3-dev python3-numpy \
	&& apt-get clean

WORKDIR /opt/src
RUN wget -q -O opencv.zip https://github.com/opencv/opencv/archive/${OPENCV_VERSION}.zip && unzip -q opencv.zip && rm opencv.zip
RUN if [ "$WITH_CONTRIB" = 1 ]; then \
        wget -q -O contrib.zip https://github.com/opencv/opencv_contrib/archive/${OPENCV_VERSION}.zip; \
        unzip -q contrib.zip; \
        rm contrib.zip; \
    else \
        mkdir -p opencv_contrib-${OPENCV_VERSION}/modules; \
    fi

RUN cmake -G Ninja -B build -S opencv-${OPENCV_VERSION} \
	-D CMAKE_BUILD_TYPE=RELEASE \
	-D CMAKE_INSTALL_PREFIX=/usr/local \
	-D OPENCV_EXTRA_MODULES_PATH=/opt/src/opencv_contrib-${OPENCV_VERSION}/modules \
#	-D WITH_CUDA=ON \
#	-D CUDA_ARCH_BIN=8.6 \
	-D BUILD_TESTS=OFF -D BUILD_PERF_TESTS=OFF -D BUILD_EXAMPLES=OFF \
	-D BUILD_opencv_python3=ON \
	-D OPENCV_GENERATE_PKGCONFIG=ON
RUN ninja -C build && DESTDIR=/stage ninja -C build install

FROM ubuntu:22.04
RUN apt-get update \
    && apt-get install -y --no-install-recommends libavformat58 libswscale5 libtbb12 libopenblas0 libgstreamer-plugins-base1.0-0 libwebp7 libtiff5 python3-numpy \
    && rm -rf /var/lib/apt/lists/*
COPY --link --from=opencv /stage /
RUN ldconfig
