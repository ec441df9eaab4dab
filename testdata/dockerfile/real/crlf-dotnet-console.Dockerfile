# editors on Windows write such files
ARG SDK=8.0
FROM mcr.microsoft.com/dotnet/sdk:${SDK} AS build
WORKDIR /src
COPY *.csproj ./
RUN dotnet restore \
    --verbosity minimal \
    # a comment between
    --disable-parallel
COPY . .
RUN <<EOF
dotnet publish -c Release -o /app
echo done
EOF
FROM mcr.microsoft.com/dotnet/runtime:${SDK}
COPY --from=build /app /app
COPY <<CONF /app/app.ini
[main]
level = debug
CONF
ENTRYPOINT ["dotnet", "/app/Console.dll"]
