# escape=`

# syntax and escape are both at the top in such files
FROM mcr.microsoft.com/dotnet/framework/sdk:4.8 AS build
WORKDIR C:\src
COPY *.sln .
COPY Web\*.csproj Web\
RUN nuget restore
COPY . .
RUN msbuild Web\Web.csproj `
    /p:Configuration=Release `
    /p:DeployOnBuild=true `
    # the folder that IIS serves
    /p:PublishUrl=C:\out

FROM mcr.microsoft.com/dotnet/framework/aspnet:4.8
SHELL ["powershell", "-Command", "$ErrorActionPreference = 'Stop';"]
RUN Remove-Website -Name 'Default Web Site'; `
    New-Item -Path C:\web -Type Directory; `
    New-Website -Name 'web' -PhysicalPath C:\web -Port 80
COPY --from=build C:\out C:\web
HEALTHCHECK --interval=5s CMD powershell -command "try { iwr -useb http://localhost } catch { exit 1 }"
