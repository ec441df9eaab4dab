#escape=`
FROM golang:1.23-windowsservercore-ltsc2022 AS build
WORKDIR C:\src
COPY . .
RUN go build -o C:\out\service.exe .\cmd\service
FROM mcr.microsoft.com/windows/nanoserver:ltsc2022
COPY --from=build C:\out\service.exe C:\service\service.exe
USER ContainerUser
HEALTHCHECK --interval=1m --timeout=10s CMD curl.exe -fsS http://localhost:8080/ || exit 1
ENTRYPOINT ["C:\\service\\service.exe"]
