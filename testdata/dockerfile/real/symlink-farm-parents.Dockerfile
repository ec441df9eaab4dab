FROM alpine:3.20 AS farm
RUN mkdir -p /farm/real/a /farm/real/b && ln -s real /farm/link && ln -s ../real/b /farm/link/a/to-b
FROM alpine:3.20
WORKDIR /t
COPY --from=farm --parents /farm/./real/a /farm/./real/b ./
COPY --from=farm --parents=false /farm/real /plain
COPY --link --parents --exclude=**/.git --exclude=!keep/.git src/**/Makefile docs/./guide/*.md /t/
COPY --link=true --chmod=0644 --chown=12:34 --exclude="*.o" ./obj[0-9]/* ./fil[e] /obj/
COPY --link=FALSE ["a b", "c\td", "/x y/"]
