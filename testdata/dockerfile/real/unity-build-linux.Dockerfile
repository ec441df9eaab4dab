ARG UNITY=2022.3.50f1
ARG MODULE=linux-il2cpp
FROM unityci/editor:ubuntu-${UNITY}-${MODULE}-3 AS player
WORKDIR /game
COPY Packages Packages
COPY ProjectSettings ProjectSettings
COPY Assets Assets
RUN --mount=type=cache,target=/game/Library \
    --mount=type=secret,id=unity.ulf,target=/root/.local/share/unity3d/Unity/Unity_lic.ulf,required=true \
    unity-editor -batchmode -quit -nographics -projectPath /game \
      -executeMethod Builder.BuildLinuxServer -logFile - ; \
    rc=$? ; [ $rc = 0 -o $rc = 3 ]
FROM ubuntu:22.04
COPY --from=player /game/Builds/LinuxServer /srv/game
USER 1001
EXPOSE 7777/udp 7777/tcp 27015-27020/udp
ENTRYPOINT ["/srv/game/server.x86_64", "-batchmode", "-nographics"]
CMD ["-port", "7777"]
