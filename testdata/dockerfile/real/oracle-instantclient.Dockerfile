FROM oraclelinux:8-slim
ARG release=19
ARG update=24
RUN  microdnf install oracle-release-el8 && \
     microdnf install oracle-instantclient${release}.${update}-basic oracle-instantclient${release}.${update}-devel oracle-instantclient${release}.${update}-sqlplus && \
     microdnf clean all
ENV TNS_ADMIN=/etc/oracle  ORACLE_HOME=/usr/lib/oracle/${release}.${update}/client64
ENV PATH=$PATH:${ORACLE_HOMES}/bin
ADD tnsnames.ora sqlnet.ora $TNS_ADMIN/
CMD ["sqlplus", "-v"]
