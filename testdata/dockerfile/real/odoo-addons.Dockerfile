FROM odoo:17.0
USER root
COPY requirements.txt /tmp/requirements.txt
RUN pip3 install --no-cache-dir -r /tmp/requirements.txt && rm /tmp/requirements.txt
COPY --chown=odoo:odoo ["addons/web responsive", "addons/l10n_custom", "/mnt/extra-addons/"]
COPY <<'CONF' /etc/odoo/odoo.conf
[options]
addons_path = /mnt/extra-addons
data_dir = /var/lib/odoo
; admin_passwd comes from the environment
proxy_mode = True
workers = 4
CONF
RUN chown -R odoo /etc/odoo && sed -i 's/^exec "\$@"/exec "$@"/' /entrypoint.sh
USER odoo
EXPOSE 8069 8071 8072
