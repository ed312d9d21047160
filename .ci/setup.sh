#!/bin/sh
# Usage: setup.sh VENV. Installs what memsim needs; a second run finds the stamp and does nothing.
set -eu
venv=$1
stamp=$venv/.memsim-ready
wanted=$(cat pyproject.toml constraints.txt | cksum)

say() { printf 'memsim setup: %s\n' "$*" >&2; }
fail() { say "$1"; shift; for line in "$@"; do printf '    %s\n' "$line" >&2; done; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }

find_python() {
    for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

ngspice_is_ready() {
    major=$(ngspice --version 2>/dev/null | sed -n 's/.*ngspice-\([0-9][0-9]*\).*/\1/p' | head -n 1)
    [ -n "$major" ] && [ "$major" -ge 39 ]
}

library_is_ready() {
    PATH=$PATH:/sbin:/usr/sbin ldconfig -p 2>/dev/null | grep -q 'libngspice\.so'
}

packages_are_ready() { [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; }

missing_on_debian() {
    if ! python=$(find_python); then
        echo python3 python3-venv
    # Debian has ensurepip, which venv needs, in a package of its own.
    elif ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        "$python" -c 'import sys; print("python3.%d-venv" % sys.version_info[1])'
    fi
    ngspice_is_ready || echo ngspice
    library_is_ready || echo libngspice0
}

missing_elsewhere() {
    find_python >/dev/null || echo python
    ngspice_is_ready || echo ngspice
}

refuse_old_release() {
    [ -r /etc/os-release ] || return 0
    # shellcheck source=/dev/null
    . /etc/os-release
    case ${UBUNTU_CODENAME:-${VERSION_CODENAME:-}} in
        buster | bullseye | bionic | focal | jammy)
            fail "$PRETTY_NAME has no packages of Python 3.11 and ngspice 39 or newer, which memsim needs." \
                "Debian has them from 12 on, Ubuntu from 24.04 on. Where you build them yourself: ngspice goes on the PATH," \
                "its shared library where ldconfig finds it, and Python is named: make PYTHON=/path/to/python3.12 ..." ;;
    esac
}

# The line that installs packages as this user has to type it.
apt_line() {
    sudo="sudo "
    if [ "$(id -u)" = 0 ] || ! has sudo; then sudo=; fi
    echo "${sudo}apt-get update && ${sudo}apt-get install -y --no-install-recommends $*"
}

# Where that takes a password it fails.
apt_install() {
    [ "$(id -u)" = 0 ] || { has sudo && sudo -n true 2>/dev/null; } || return 1
    say "installing $*"
    log=$(mktemp)
    DEBIAN_FRONTEND=noninteractive sh -c "$(apt_line "$@")" </dev/null >"$log" 2>&1 && { rm -f "$log"; return; }
    tail -n 5 "$log" >&2
    rm -f "$log"
    return 1
}

provide_on_debian() {
    needed=$(missing_on_debian | xargs)
    [ -n "$needed" ] || return 0
    case $needed in "" | python3.*-venv) ;; *) refuse_old_release ;; esac
    # shellcheck disable=SC2086
    if apt_install $needed; then return; fi
    type="please type:"
    [ "$(id -u)" = 0 ] || has sudo || type="please type as root:"
    # shellcheck disable=SC2086
    fail "this machine lacks $needed; $type" "$(apt_line $needed)" "then run make again."
}

provide_elsewhere() {
    needed=$(missing_elsewhere | xargs)
    [ -z "$needed" ] || fail "this machine lacks $needed; please install Python 3.11 and ngspice 39 or newer." \
        "macOS: brew install python ngspice libngspice" "then run make again."
}

make_venv() {
    python=$(find_python)
    "$python" -m venv --clear "$venv" || fail "could not create $venv with $python."
}

install_packages() {
    say "installing Python packages into $venv, up to 6 GB (some minutes, once)"
    "$venv/bin/python" -m pip --disable-pip-version-check install --quiet --quiet \
        -c constraints.txt -e '.[dev]' ||
        fail "pip could not install the packages named in pyproject.toml." \
            "Without a network this step cannot be done; otherwise pip's message above says why."
}

case $(uname -s) in
    MINGW* | MSYS* | CYGWIN*) fail "memsim does not run on Windows; run it in WSL, as on Ubuntu 24.04." ;;
esac
[ -z "${PYTHON:-}" ] || find_python >/dev/null || fail "PYTHON=$PYTHON is no Python 3.11 or newer."
if has apt-get; then provide_on_debian; else provide_elsewhere; fi
ngspice_is_ready || fail "ngspice 39 or newer is needed, found version '$major'."
packages_are_ready && exit 0
"$venv/bin/python" -c 'import pip' 2>/dev/null || make_venv
install_packages
echo "$wanted" >"$stamp"
