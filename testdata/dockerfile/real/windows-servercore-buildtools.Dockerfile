# escape=`

ARG BASE=mcr.microsoft.com/windows/servercore:ltsc2019-amd64
FROM ${BASE} AS tools
SHELL ["cmd", "/S", "/C"]
ADD https://aka.ms/vs/17/release/vs_buildtools.exe C:\TEMP\vs_buildtools.exe
RUN C:\TEMP\vs_buildtools.exe --quiet --wait --norestart --nocache `
    --installPath C:\BuildTools `
    --add Microsoft.VisualStudio.Workload.AzureBuildTools `
    --remove Microsoft.VisualStudio.Component.Windows10SDK.10240 `
 || IF "%ERRORLEVEL%"=="3010" EXIT 0

FROM tools
RUN setx /M PATH "%PATH%;C:\BuildTools\Common7\Tools"
USER ContainerAdministrator
ENTRYPOINT ["C:\\BuildTools\\Common7\\Tools\\VsDevCmd.bat", "&&", "powershell.exe", "-NoLogo", "-ExecutionPolicy", "Bypass"]
