FROM node:20-bookworm
ENV ANDROID_SDK_ROOT="/sdk"
RUN <<SETUP bash -e
apt-get update
apt-get install -y openjdk-17-jdk-headless
npm install -g @ionic/cli @capacitor/cli
SETUP
ADD --unpack https://dl.example.com/sdk.tar.gz ${ANDROID_SDK_ROOT}
WORKDIR /app
