#!/bin/bash
# Pin what pyproject.toml asks for: requirements.txt, with the tools requirements-dev.txt, with LDAP requirements-ldap.txt.
# Run after a change of dependencies; `UPGRADE=1 make lock` takes newer versions where pyproject.toml lets it.
set -euo pipefail
cd "$(dirname "$0")/.."
compile() {
    .venv/bin/pip-compile -q --generate-hashes --allow-unsafe --strip-extras --no-emit-index-url --no-emit-find-links \
        --no-emit-trusted-host ${UPGRADE:+--upgrade} "$@" pyproject.toml
}
compile -o requirements.txt
compile --extra dev -c requirements.txt -o requirements-dev.txt
compile --extra ldap -c requirements-dev.txt -o requirements-ldap.txt
