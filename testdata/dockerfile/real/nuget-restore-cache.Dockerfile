FROM mcr.microsoft.com/dotnet/sdk:8.0-alpine AS restore
WORKDIR /src
COPY --parents Directory.*.props nuget.config global.json **/*.csproj ./
RUN --mount=type=cache,id=nuget,target=/root/.nuget/packages \
    --mount=type=secret,id=nuget_pat,target=/run/secrets/nuget_pat \
    NUGET_PAT="$(cat /run/secrets/nuget_pat 2>/dev/null || true)" \
    dotnet restore src/Shop.Api/Shop.Api.csproj

FROM restore AS publish
COPY . .
ARG CONFIGURATION=Release
RUN --mount=type=cache,id=nuget,target=/root/.nuget/packages \
    dotnet publish src/Shop.Api -c ${CONFIGURATION} --no-restore -o /out -p:UseAppHost=false

FROM mcr.microsoft.com/dotnet/aspnet:8.0-alpine
WORKDIR /app
COPY --from=publish /out .
ENV ASPNETCORE_URLS=http://+:8080 DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=false
USER $APP_UID
ENTRYPOINT ["dotnet", "Shop.Api.dll"]
