#!/bin/sh
. "$(dirname "$0")/../settings.sh" 2> /dev/null || . /usr/src/app/settings.sh
echo "hello from $name"
