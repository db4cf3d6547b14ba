#!/bin/bash
# Everything that must hold before a change is good. usage: deploy/check.sh lint|fast|all
# Lint stops at the first finding; of the tests every room runs, and the last lines are pytest's own, room by room.
set -euo pipefail
cd "$(dirname "$0")/.."
what=${1:?usage: deploy/check.sh lint|fast|all}
export PATH="$PWD/.venv/bin:$PATH"
# Away from the data of a Guesthouse that runs here; short, because unix socket paths end at 107 bytes.
scratch=$(mktemp -d /tmp/gh-check-XXXXXX)
trap 'rm -rf "$scratch"' EXIT
for name in $(compgen -v GUESTHOUSE_); do unset "$name"; done
unset PORT
export GUESTHOUSE_DATA_DIR=$scratch/data GUESTHOUSE_RUNTIME_DIR=$scratch
export EVERYTHING_IS_INSTALLED=1 # by deploy/prepare.sh: a test that misses a program fails instead of being skipped
failed=() rooms=()
mkdir -p test-results # what a failed run leaves to look at: pytest's output, pictures of pages

step() {
    echo "== $*"
    "$@"
}

lint() {
    step ruff format --check .
    step ruff check .
    step mypy
    step lint-imports
    step djlint --profile=django --check --quiet templates
    echo "== manage.py check --deploy"
    GUESTHOUSE_URL=https://guests.example GUESTHOUSE_HSTS_SUBDOMAINS=1 GUESTHOUSE_HSTS_PRELOAD=1 \
        python manage.py check --deploy --fail-level WARNING
    echo "== manage.py makemigrations --check"
    python manage.py makemigrations --check --dry-run
    audit
}

audit() { # known holes in what is pinned; that the advisory service cannot be reached is no fault of the change
    echo "== pip-audit"
    local status=0
    timeout 120 pip-audit --progress-spinner off --disable-pip --require-hashes -r requirements-ldap.txt \
        --format json -o "$scratch/audit.json" >"$scratch/audit.log" 2>&1 || status=$?
    if [ "$status" = 0 ]; then
        echo "nothing known against the pinned packages"
    elif [ -s "$scratch/audit.json" ]; then
        python deploy/audit_report.py "$scratch/audit.json"
    else
        echo "not done: the advisory service does not answer ($(tail -n 1 "$scratch/audit.log" | cut -c 1-160))"
    fi
}

room() { # a name, then pytest's arguments
    local name=$1
    shift
    rooms+=("$name")
    echo "== pytest: $name"
    pytest -q "$@" 2>&1 | tee "test-results/$name.log" || failed+=("$name")
}

lint
[ "$what" != lint ] || exit 0
room unit -n 2 --dist loadfile -m "not live and not browser and not xen"
if [ "$what" = all ]; then
    room live -n 2 --dist loadfile -m live
    room browser -n 2 --dist loadfile -m browser
fi
echo
for name in "${rooms[@]}"; do
    echo "$name: $(grep -E '^[=]* ?[0-9]+ .* in [0-9.]+s' "test-results/$name.log" | tail -n 1 || echo "ended without a summary")"
done
if [ ${#failed[@]} -gt 0 ]; then
    echo "failed: ${failed[*]}"
    exit 1
fi
