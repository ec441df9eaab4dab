FROM onlyoffice/documentserver:8.2
# fonts live in LFS; ADD unpacks the tarballs
ADD fonts/corporate.tar.gz fonts/noto-cjk.tar.xz /usr/share/fonts/truetype/custom/
ADD --unpack=false fonts/licences.tar /usr/share/doc/fonts/
RUN /usr/bin/documentserver-generate-allfonts.sh true
