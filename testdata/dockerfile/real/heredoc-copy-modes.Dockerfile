FROM alpine:3.20
ARG NAME=widget
ENV HOST=example.org
COPY --chmod=0755 --chown=1000:1000 <<"RUNME" <<CONF <<-TABS /opt/app/
#!/bin/sh
echo "$NAME stays"
RUNME
name=${NAME}
host=$HOST
literal=\$HOST
CONF
	indented by a tab
		and by two
	TABS
RUN /opt/app/RUNME
