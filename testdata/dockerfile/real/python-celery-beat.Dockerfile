FROM python:3.10-slim

ENV PYTHONPATH=/code:$PYTHONPATH
ENV CELERY_BROKER_URL=amqp://guest:guest@rabbit:5672//  # the default vhost
WORKDIR /code
COPY requirements.txt .
RUN pip install -r requirements.txt
COPY . .
USER nobody
CMD celery -A project beat -l info -s /tmp/celerybeat-schedule
