FROM mcr.microsoft.com/powershell:7.4-alpine-3.20
SHELL ["pwsh", "-NoLogo", "-NoProfile", "-Command", "$ErrorActionPreference = 'Stop'; $ProgressPreference = 'SilentlyContinue';"]
RUN Set-PSRepository -Name PSGallery -InstallationPolicy Trusted; \
    Install-Module -Name Az.Accounts, Az.Storage -Scope AllUsers; \
    Install-Module Pester -RequiredVersion 5.6.1
RUN <<EOF
$modules = Get-Module -ListAvailable
$modules | ForEach-Object { "{0} {1}" -f $_.Name, $_.Version } | Out-File /modules.txt
EOF
COPY scripts/*.ps1 /opt/tools/
ENTRYPOINT ["pwsh", "-File"]
CMD ["/opt/tools/Start.ps1"]
