#!/bin/sh
# Usage: setup.sh VENV. Installs what memsim needs; a second run finds the stamp and does nothing.
set -eu
venv=$1

say() { printf 'memsim setup: %s\n' "$*" >&2; }
fail() { say "$1"; shift; for line in "$@"; do printf '    %s\n' "$line" >&2; done; exit 1; }

ngspice_major() {
    ngspice --version 2>/dev/null | sed -n 's/.*ngspice-\([0-9][0-9]*\).*/\1/p' | head -n 1
}

ngspice_is_ready() {
    major=$(ngspice_major)
    [ -n "$major" ] && [ "$major" -ge 39 ]
}

library_is_ready() {
    PATH=$PATH:/sbin:/usr/sbin ldconfig -p 2>/dev/null | grep -q 'libngspice\.so'
}

# Runs a command as root; fails where that takes a password.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
        sudo -n "$@"
    else
        return 1
    fi
}

apt_install() {
    command -v apt-get >/dev/null 2>&1 ||
        fail "please install $1 (this machine has no apt-get):" "macOS: brew install ngspice" "then run make again."
    say "installing $* with apt-get"
    log=$(mktemp)
    if as_root sh -c 'apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"' \
        apt "$@" >"$log" 2>&1; then
        rm -f "$log"
        return
    fi
    tail -n 5 "$log" >&2
    rm -f "$log"
    fail "could not install $* (it needs root and a network). Please type:" "sudo apt-get update && sudo apt-get install $*" "then run make again."
}

find_python() {
    for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

make_venv() {
    python=$(find_python) ||
        fail "Python 3.11 or newer was not found." "Debian, Ubuntu: sudo apt-get install python3 python3-venv" \
            "or name one: make PYTHON=/path/to/python3.12 ..."
    # Debian ships ensurepip, which venv needs, in a package of its own.
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        apt_install "$("$python" -c 'import sys; print("python3.%d-venv" % sys.version_info[1])')"
    "$python" -m venv --clear "$venv" || fail "could not create $venv with $python."
}

install_packages() {
    say "installing Python packages into $venv (a minute or more, once)"
    "$venv/bin/python" -m pip --disable-pip-version-check install --quiet --quiet \
        -c constraints.txt -e '.[dev]' ||
        fail "pip could not install the packages named in pyproject.toml." \
            "Without a network this step cannot be done; otherwise pip's message above says why."
}

ngspice_is_ready && { library_is_ready || ! command -v apt-get >/dev/null 2>&1; } || apt_install ngspice libngspice0
ngspice_is_ready || fail "ngspice 39 or newer is needed, found version '$(ngspice_major)'." \
    "Debian 12, Ubuntu 24.04 and newer have one: sudo apt-get install ngspice libngspice0"

stamp=$venv/.memsim-ready
wanted=$(cat pyproject.toml constraints.txt | cksum)
[ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && exit 0
[ -x "$venv/bin/python" ] && "$venv/bin/python" -c 'import pip' 2>/dev/null || make_venv
install_packages
echo "$wanted" >"$stamp"
