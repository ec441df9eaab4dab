FROM fedora:41 AS rpm
RUN dnf -y install rpm-build rpmdevtools dnf-plugins-core && dnf clean all
RUN useradd -m mock
COPY --chown=mock:mock *.spec /home/mock/rpmbuild/SPECS/
RUN dnf -y builddep /home/mock/rpmbuild/SPECS/*.spec
USER mock
WORKDIR /home/mock
RUN rpmdev-setuptree && spectool -g -R rpmbuild/SPECS/*.spec
ARG DIST=.fc41
RUN rpmbuild --define "dist ${DIST}" -ba rpmbuild/SPECS/*.spec
FROM scratch AS rpms
COPY --from=rpm /home/mock/rpmbuild/RPMS/**/*.rpm /
