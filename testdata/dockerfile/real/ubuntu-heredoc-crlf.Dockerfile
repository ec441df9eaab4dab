FROM ubuntu:24.04
RUN <<EOF
apt-get update
apt-get install -y dos2unix
EOF
COPY <<-"DATA" /etc/app/data.csv
	id;name
	1;"one"
	DATA
RUN dos2unix /etc/app/data.csv \

    && cat /etc/app/data.csv
CMD ["cat", "/etc/app/data.csv"]
