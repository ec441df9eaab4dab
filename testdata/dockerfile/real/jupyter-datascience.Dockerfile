FROM jupyter/minimal-notebook:lab-4.0.7
USER root
RUN fix-permissions "${CONDA_DIR}" && \
    fix-permissions "/home/${NB_USER}"
USER ${NB_UID}
RUN mamba install --yes \
    'pandas' \
    'scikit-learn' \
    && mamba clean --all -f -y
ENV XDG_CACHE_HOME="/home/${NB_USER}/.cache/"
WORKDIR "${HOME}"
EXPOSE $JUPYTER_PORT
