# One image with every interpreter that the test matrix needs.
# Each interpreter is a stage of its own so that they build side by side.
ARG DEBIAN=bookworm
ARG PYENV=v2.4.17

FROM buildpack-deps:${DEBIAN} AS pyenv
ARG PYENV
ENV PYENV_ROOT=/opt/pyenv
ADD https://github.com/pyenv/pyenv.git#${PYENV} ${PYENV_ROOT}
ENV PATH=${PYENV_ROOT}/bin:${PATH} PYTHON_CONFIGURE_OPTS="--enable-shared --with-lto"

FROM pyenv AS py38
RUN pyenv install 3.8.20
FROM pyenv AS py39
RUN pyenv install 3.9.20
FROM pyenv AS py310
RUN pyenv install 3.10.15
FROM pyenv AS py311
RUN pyenv install 3.11.10
FROM pyenv AS py312
RUN pyenv install 3.12.7
FROM pyenv AS py313
RUN pyenv install 3.13.0
FROM pyenv AS py313t
RUN pyenv install 3.13.0t
FROM pyenv AS pypy310
RUN pyenv install pypy3.10-7.3.17

FROM pyenv AS matrix
COPY --link --from=py38    /opt/pyenv/versions/ /opt/pyenv/versions/
COPY --link --from=py39    /opt/pyenv/versions/ /opt/pyenv/versions/
COPY --link --from=py310   /opt/pyenv/versions/ /opt/pyenv/versions/
COPY --link --from=py311   /opt/pyenv/versions/ /opt/pyenv/versions/
COPY --link --from=py312   /opt/pyenv/versions/ /opt/pyenv/versions/
COPY --link --from=py313   /opt/pyenv/versions/ /opt/pyenv/versions/
COPY --link --from=py313t  /opt/pyenv/versions/ /opt/pyenv/versions/
COPY --link --from=pypy310 /opt/pyenv/versions/ /opt/pyenv/versions/
RUN pyenv global 3.12.7 3.13.0 3.13.0t 3.11.10 3.10.15 3.9.20 3.8.20 pypy3.10-7.3.17 && pyenv rehash
ENV PATH=/opt/pyenv/shims:$PATH

FROM matrix AS tox
RUN python3.12 -m pip install --no-cache-dir tox==4.23.2 tox-uv==1.16.0
WORKDIR /src
COPY tox.ini pyproject.toml ./
ARG TOX_PARALLEL=auto
ENV TOX_PARALLEL_NO_SPINNER=1
RUN --mount=type=cache,target=/src/.tox,id=tox-${DEBIAN},sharing=private tox run --notest
COPY . .
ENTRYPOINT ["tox"]
CMD ["run-parallel"]

FROM tox AS lint
RUN ["tox", "run", "-e", "lint,typing"]
FROM tox AS docs
RUN ["tox", "run", "-e", "docs"]
FROM scratch AS site
COPY --from=docs /src/docs/_build/html /
FROM tox AS unit
ARG TOX_ENV=py38,py39,py310,py311,py312,py313
RUN tox run-parallel -e "${TOX_ENV}" --result-json /results.json
FROM scratch AS results
COPY --from=unit /results.json /
FROM tox
