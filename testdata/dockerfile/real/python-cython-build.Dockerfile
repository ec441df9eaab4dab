FROM quay.io/pypa/manylinux_2_28_x86_64:2024.10.26-1 as manylinux
WORKDIR /io
COPY setup.py pyproject.toml MANIFEST.in ./
COPY fastmath fastmath
RUN for PY in cp39-cp39 cp310-cp310 cp311-cp311 cp312-cp312 ; do \
	/opt/python/$PY/bin/pip wheel --no-deps -w /tmp/wheels . ; \
done \
&& for W in /tmp/wheels/*.whl ; do auditwheel repair "$W" -w /wheels ; done

FROM scratch as wheels
COPY --from=manylinux /wheels/*.whl ./
