ARG AIRFLOW_VERSION=2.10.3
ARG PY=3.12
FROM apache/airflow:slim-${AIRFLOW_VERSION}-python${PY}
ARG AIRFLOW_VERSION
ARG PY
ARG CONSTRAINTS="https://raw.example.org/airflow/constraints-${AIRFLOW_VERSION}/constraints-${PY}.txt"
USER root
RUN apt-get update && apt-get install -y --no-install-recommends \
      default-libmysqlclient-dev \
      gcc \
      # needed by pymssql
      freetds-dev \
  && apt-get clean
USER airflow
COPY --chown=airflow:0 requirements/ /tmp/requirements/
RUN pip install --no-cache-dir "apache-airflow==${AIRFLOW_VERSION}" \
      -r /tmp/requirements/providers.txt --constraint "${CONSTRAINTS}"
COPY --chown=airflow:0 dags /opt/airflow/dags
