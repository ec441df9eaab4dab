FROM python:2.7-stretch
RUN pip install uwsgi==2.0.20
RUN mkdir -p /etc/uwsgi/{apps-enabled,vassals}
ADD emperor.ini /etc/uwsgi/
ENV  UWSGI_CHEAPER 2
ENV  UWSGI_PROCESSES   16
LABEL version 1.0
LABEL description This image runs every vassal it finds
ONBUILD ADD vassals/ /etc/uwsgi/vassals/
ENTRYPOINT uwsgi --ini /etc/uwsgi/emperor.ini
CMD --stats :9191
