#!/bin/bash
# See to what a fresh machine lacks: Debian packages, the virtual environment, compiled translations. Quick when all is
# there. Sourced by nothing; usage: deploy/prepare.sh run|test|xen
set -euo pipefail
cd "$(dirname "$0")/.."
purpose=${1:?usage: deploy/prepare.sh run|test|xen}

# libvirt-python is compiled against libvirt's client library.
required="python3-venv python3-dev gcc libc6-dev pkg-config libvirt-dev gettext"
demo="libvirt-daemon libvirt-clients qemu-system-x86 qemu-utils busybox-static cpio iproute2"
ldap="slapd libldap-dev libsasl2-dev" # python-ldap is compiled against the two
optional="" why=""
case $purpose in
test) required="$required $demo chromium postgresql openssh-server $ldap" ;; # no test is left out for want of one
xen) required="$required $demo chromium mmdebstrap e2fsprogs openssh-client" purpose=test ;; # builds a Xen host
run) [ -n "${GUESTHOUSE_HOSTS:-}" ] || optional=$demo why="For real demo guests" ;;
*) echo "prepare for what? run, test or xen, not $purpose" >&2 && exit 2 ;;
esac

missing_of() {
    local package
    for package in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || printf '%s ' "$package"
    done
}

install() { # everything in one go; the lists are fetched only where they do not do
    local log
    log=$(mktemp)
    case " $* " in *" postgresql "*) keep_postgresql_from_starting ;; esac
    case " $* " in *" openssh-server "*) keep_sshd_from_starting ;; esac
    case " $* " in *" slapd "*) keep_slapd_from_starting ;; esac
    echo "Installing from Debian: $*"
    if ! apt-get install -y --no-install-recommends "$@" >"$log" 2>&1; then
        if ! { apt-get update && apt-get install -y --no-install-recommends "$@"; } >"$log" 2>&1; then
            tail -n 15 "$log" >&2
            rm -f "$log"
            return 1
        fi
    fi
    rm -f "$log"
}

keep_postgresql_from_starting() { # the tests start a server of their own: none of the machine's is made
    [ -e /etc/postgresql-common/createcluster.conf ] && return
    mkdir -p /etc/postgresql-common
    echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
}

keep_sshd_from_starting() { # the tests start one of their own, in a namespace: nobody asked for one of the machine's
    mkdir -p /etc/ssh
    [ -e /etc/ssh/sshd_config ] || touch /etc/ssh/sshd_not_to_be_run
}

keep_slapd_from_starting() { # the same: without a configuration its service has nothing to serve
    echo "slapd slapd/no_configuration boolean true" | debconf-set-selections
}

see_to_packages() {
    local missing missing_optional
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        command -v pkg-config >/dev/null && pkg-config --exists libvirt && return
        echo "This machine has no apt-get. Install by hand what these Debian packages hold: $required $optional" >&2
        exit 1
    fi
    missing=$(missing_of $required)
    missing_optional=$(missing_of $optional)
    [ -n "$missing$missing_optional" ] || return 0
    if [ "$(id -u)" = 0 ]; then
        export DEBIAN_FRONTEND=noninteractive
        # shellcheck disable=SC2086
        install $missing $missing_optional && return
        [ -n "$(missing_of $required)" ] || return 0
        echo "These packages are needed and could not be installed: $missing" >&2
        exit 1
    fi
    if [ -n "$missing" ]; then
        echo "Some packages are missing. As root, then try again:" >&2
        echo "  apt-get install --no-install-recommends $missing$missing_optional" >&2
        exit 1
    fi
    echo "$why, as root: apt-get install --no-install-recommends $missing_optional"
}

usable() { # a Python of 3.11 or later that can make virtual environments
    "$1" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

see_to_environment() {
    local python requirements wanted stamp
    if ! { [ -x .venv/bin/python ] && .venv/bin/python -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))'; } 2>/dev/null; then
        python=/usr/bin/python3
        usable $python || python=$(command -v python3 || true)
        if [ -z "$python" ] || ! usable "$python"; then
            echo "Python 3.11 or later with venv is needed; on Debian 12: apt-get install python3-venv" >&2
            exit 1
        fi
        echo "Making .venv with $python"
        rm -rf .venv
        "$python" -m venv .venv
    fi
    requirements=requirements.txt
    if [ "$purpose" = test ]; then
        requirements=requirements-dev.txt
        if [ -z "$(missing_of $ldap)" ]; then requirements="$requirements requirements-ldap.txt"; fi
    fi
    stamp=.venv/.$purpose-requirements
    # shellcheck disable=SC2086
    wanted=$(cat requirements.txt $requirements | sha256sum)
    if [ "$(cat $stamp 2>/dev/null)" != "$wanted" ]; then
        echo "Installing Python packages from $requirements"
        .venv/bin/python -m pip install -qq --disable-pip-version-check --no-input --require-hashes \
            $(printf -- '-r %s ' $requirements)
        echo "$wanted" >$stamp
    fi
}

see_to_translations() {
    local text
    for text in dashboard/locale/*/LC_MESSAGES/*.po; do
        if [ -e "$text" ] && ! [ "${text%.po}.mo" -nt "$text" ]; then
            msgfmt --check-format -o "${text%.po}.mo" "$text"
        fi
    done
}

see_to_packages
see_to_environment
see_to_translations
