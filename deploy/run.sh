#!/bin/bash
# Run Guesthouse on this machine: with its demo host, unless GUESTHOUSE_HOSTS names hosts. The demo host runs on
# afterwards (make demo-down ends it).
set -euo pipefail
cd "$(dirname "$0")/.."
deploy/prepare.sh run
python=.venv/bin/python

if [ -z "${GUESTHOUSE_HOSTS:-}" ]; then
    if ! [ -x /usr/sbin/libvirtd ] || ! command -v virsh >/dev/null || ! command -v qemu-system-x86_64 >/dev/null; then
        uri="" why="libvirtd, virsh or QEMU is missing."
    elif answer=$($python -m deploy.demo up 2>&1); then
        uri=$answer
    else
        uri="" why=$answer
    fi
    if [ -z "$uri" ]; then
        echo "No real demo guests here: $why"
        echo "libvirt's test driver stands in: states and sizes can be tried, consoles cannot."
        # A path with a space or a question mark would not survive in a URI.
        uri="test://$($python -c 'import sys, urllib.parse; print(urllib.parse.quote(sys.argv[1]))' "$PWD")/deploy/demo/test-host.xml"
    fi
    export GUESTHOUSE_HOSTS="demo=$uri"
    export GUESTHOUSE_TICK_SECONDS=${GUESTHOUSE_TICK_SECONDS:-2}
    export GUESTHOUSE_RECORD_CONSOLES=${GUESTHOUSE_RECORD_CONSOLES:-1}
fi

$python manage.py firstrun
exec $python manage.py serve
