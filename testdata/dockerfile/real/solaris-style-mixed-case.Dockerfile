From debian:12 As Build
Arg version=1
Env Version=$version
Run apt-get update \
&& apt-get install -y gcc
Copy . /Src
WorkDir /Src
Run make
FROM debian:12
COPY --from=BUILD /Src/out /usr/local
Expose 25/TCP 110/Tcp 127.0.0.1:8080:80 0.0.0.0::53/UDP
Cmd ["out"]
