#!/bin/sh
set -eu
for hook in /docker-entrypoint.d/*.sh; do
  "$hook"
done
exec "$@"
