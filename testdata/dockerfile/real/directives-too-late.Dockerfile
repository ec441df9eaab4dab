# This file is for Windows people.
# escape=`
FROM mcr.microsoft.com/windows/nanoserver:ltsc2022
COPY app.exe C:\\app\\
RUN dir `
CMD ["C:\\app\\app.exe"]
