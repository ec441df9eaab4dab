from netboxcommunity/netbox:v4.1-3.0.2
user root
copy ./plugin_requirements.txt /opt/netbox/
run /usr/local/bin/uv pip install -r /opt/netbox/plugin_requirements.txt
copy configuration/configuration.py /etc/netbox/config/configuration.py
copy configuration/plugins.py /etc/netbox/config/plugins.py
run DEBUG="true" SECRET_KEY="dummydummydummydummydummydummydummydummydummydummy" \
    /opt/netbox/venv/bin/python /opt/netbox/netbox/manage.py collectstatic --no-input
user unit:root
