FROM eclipse-temurin:17-jdk-jammy
# CMDLINE_TOOLS build number of the command line tools
ARG CMDLINE_TOOLS=11076708
# PLATFORMS platforms to install, separated by blanks
ARG PLATFORMS="34 33"
ARG BUILD_TOOLS=34.0.0
ENV ANDROID_HOME=/opt/android-sdk
ENV PATH=${PATH}:${ANDROID_HOME}/cmdline-tools/latest/bin:${ANDROID_HOME}/platform-tools
ADD https://dl.example.com/android/commandlinetools-linux-${CMDLINE_TOOLS}_latest.zip /tmp/tools.zip
RUN <<'SCRIPT'
set -eu
mkdir -p "$ANDROID_HOME/cmdline-tools"
unzip -q /tmp/tools.zip -d "$ANDROID_HOME/cmdline-tools"
mv "$ANDROID_HOME/cmdline-tools/cmdline-tools" "$ANDROID_HOME/cmdline-tools/latest"
rm /tmp/tools.zip
yes | sdkmanager --licenses >/dev/null
for p in $PLATFORMS; do sdkmanager "platforms;android-$p"; done
sdkmanager "build-tools;$BUILD_TOOLS" platform-tools
SCRIPT
VOLUME ["/root/.gradle"]
