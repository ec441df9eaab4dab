FROM quay.io/jupyter/pytorch-notebook:cuda12-python-3.11.10
USER root
RUN apt-get update --yes && \
    apt-get install --yes --no-install-recommends graphviz && \
    apt-get clean && rm -rf /var/lib/apt/lists/*
# extensions are fetched as $NB_USER
USER ${NB_UID}
RUN mamba install --quiet --yes 'ipywidgets=8.1*' \
    # pinned: 4.x breaks the file browser
    'jupyterlab=4.2.*' \
    'nb_conda_kernels' && \
    mamba clean --all -f -y && \
    fix-permissions "${CONDA_DIR}" && \
    fix-permissions "/home/${NB_USER}"
COPY --chown=${NB_UID}:${NB_GID} <<EOF /home/jovyan/.jupyter/jupyter_server_config.py
c.ServerApp.terminado_settings = {"shell_command": ["/bin/bash"]}
c.ServerApp.token = ""
EOF
