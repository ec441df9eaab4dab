FROM mambaorg/micromamba:1.5.10-jammy AS env
COPY --chown=$MAMBA_USER:$MAMBA_USER conda-lock.yml /tmp/
RUN micromamba install -y -n base -f /tmp/conda-lock.yml && micromamba clean --all --yes
ARG MAMBA_DOCKERFILE_ACTIVATE=1
RUN python -c 'import numpy; print(numpy.__version__)'
COPY --chown=57439:57439 model /opt/model
ENTRYPOINT ["/usr/local/bin/_entrypoint.sh", "python", "-m", "model.serve"]
