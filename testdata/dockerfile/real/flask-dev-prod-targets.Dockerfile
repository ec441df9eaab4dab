FROM python:3.13-slim AS common
WORKDIR /code
COPY requirements/base.txt requirements/
RUN pip install -r requirements/base.txt
# dev server with reload; mount the code over /code
FROM common AS dev
COPY requirements/dev.txt requirements/
RUN pip install -r requirements/dev.txt
ENV FLASK_DEBUG=1
CMD ["flask", "run", "--host=0.0.0.0"]
# test runs pytest while it is built
FROM dev AS test
COPY . .
ARG PYTEST_ADDOPTS=-q
RUN pytest
# prod is what gets deployed
FROM common AS prod
COPY app app
ARG GUNICORN=23.0.0
RUN pip install gunicorn==$GUNICORN
CMD ["gunicorn", "app:create_app()"]
