FROM debian:bookworm-slim
ARG DEBIAN_FRONTEND=noninteractive
RUN echo ttf-mscorefonts-installer msttcorefonts/accepted-mscorefonts-eula select true | debconf-set-selections ; \
    sed -i 's/^Components: main$/& contrib/' /etc/apt/sources.list.d/debian.sources ; \
    apt-get update ; apt-get install -y --no-install-recommends libreoffice-writer libreoffice-calc unoconv tini ; \
    apt-get clean
RUN useradd --create-home office
USER office
WORKDIR /home/office
ENTRYPOINT [ "tini", "-g", "--" ]
CMD [ "soffice", "--headless", "--accept=socket,host=0.0.0.0,port=2002;urp;" ]
