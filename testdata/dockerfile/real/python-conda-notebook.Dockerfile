FROM condaforge/mambaforge:24.9.0-0 AS env
COPY environment.yml /tmp/
RUN --mount=type=cache,target=/opt/conda/pkgs mamba env create -p /env -f /tmp/environment.yml \
 && mamba install -y -p /opt/conda conda-pack \
 && conda-pack -p /env -o /tmp/env.tar && mkdir /venv && tar -xf /tmp/env.tar -C /venv && /venv/bin/conda-unpack

FROM debian:12-slim
COPY --from=env /venv /venv
SHELL ["/bin/bash", "--login", "-c"]
ENTRYPOINT source /venv/bin/activate && exec jupyter lab --ip=0.0.0.0 --no-browser --allow-root
