# escape=`
FROM mcr.microsoft.com/windows/servercore:ltsc2019
ENV APP_HOME="C:\Program Files\App" `
    TEMP_DIR=C:\temp
WORKDIR $APP_HOME
COPY ["app.exe", "C:/Program Files/App/"]
RUN setx /M PATH "%PATH%;%APP_HOME%" && `
    md %TEMP_DIR%
USER ContainerUser
ENTRYPOINT ["C:\\Program Files\\App\\app.exe"]
