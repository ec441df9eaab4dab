FROM jenkins/jenkins:2.479-jdk21
ARG ADMIN_PASSWORD
ENV JAVA_OPTS="-Djenkins.install.runSetupWizard=false" \
    CASC_JENKINS_CONFIG=/usr/share/jenkins/ref/casc.yaml
COPY --chown=jenkins plugins.txt /usr/share/jenkins/ref/plugins.txt
RUN jenkins-plugin-cli -f /usr/share/jenkins/ref/plugins.txt
COPY casc.yaml ${CASC_JENKINS_CONFIG}
RUN echo ${ADMIN_PASSWORD} > /tmp/pw
