FROM jenkins/inbound-agent:latest-jdk17
USER root
ARG DOCKER_GID=999
RUN groupadd -g ${DOCKER_GID} docker; usermod -aG docker jenkins
COPY --from=docker:27-cli --chown=root:docker /usr/local/bin/docker /usr/bin/
USER jenkins
ENV JENKINS_AGENT_WORKDIR=/home/jenkins/agent
WORKDIR ${JENKINS_AGENT_WORKDIR}
