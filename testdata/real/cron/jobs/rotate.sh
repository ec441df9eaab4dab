#!/bin/sh
set -eu
mkdir -p "$HOME/reports"
find "$HOME/reports" -type f -mtime "+${JOBS_KEEP:-7}" -delete
echo "kept: ${JOBS_KEEP:-7} days" > "$HOME/reports/policy"
