FROM sonarqube:10.7-community
ADD --chown=sonarqube:sonarqube [ \
  "https://github.com/mc1arke/sonarqube-community-branch-plugin/releases/download/1.22.0/sonarqube-community-branch-plugin-1.22.0.jar", \
  "https://github.com/checkstyle/sonar-checkstyle/releases/download/10.20.1/checkstyle-sonar-plugin-10.20.1.jar", \
  "/opt/sonarqube/extensions/plugins/" \
]
ENV SONAR_WEB_JAVAADDITIONALOPTS="-javaagent:./extensions/plugins/sonarqube-community-branch-plugin-1.22.0.jar=web"
