# escape=`
FROM mcr.microsoft.com/windows/servercore/iis:windowsservercore-ltsc2022

SHELL ["powershell", "-Command", "$ErrorActionPreference = 'Stop'; $ProgressPreference = 'SilentlyContinue';"]

RUN Remove-Item -Recurse C:\inetpub\wwwroot\*; `
    Install-WindowsFeature Web-Asp-Net45, `
        # logging
        Web-Http-Logging, `
        Web-Log-Libraries

WORKDIR C:/inetpub/wwwroot
COPY publish/ .
COPY ["config\\web.config", "C:/inetpub/wwwroot/"]
ENV APP_ROOT=C:\inetpub\wwwroot`
    LOG_DIR="C:\logs"
VOLUME C:/logs
EXPOSE 80
