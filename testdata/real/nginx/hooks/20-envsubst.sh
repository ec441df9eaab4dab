#!/bin/sh
set -eu
export SERVER_NAME="${SERVER_NAME:-_}"
envsubst '$SERVER_NAME' < /etc/nginx/templates/site.conf.template > /etc/nginx/conf.d/site.conf
