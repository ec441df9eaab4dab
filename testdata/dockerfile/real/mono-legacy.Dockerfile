FROM mono:6.12
MAINTAINER "Ops" <ops@example.com>
WORKDIR app
ADD . .
RUN nuget restore && msbuild /p:Configuration=Release
WORKDIR bin/Release
CMD [ "mono",  "./Legacy.exe" ]
