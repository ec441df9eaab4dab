FROM python:3.12-slim
ENV PIP_NO_CACHE_DIR 1
RUN pip install z3-solver==4.13.3.0
COPY --chown=nobody solver.py /solver.py
USER nobody
CMD [python, "/solver.py"]
