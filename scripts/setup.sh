# shellcheck shell=bash
# Shared by ./demo and ./test: installs the packages that are missing and builds. To be sourced from the root folder.

fail() {
    echo "$*" >&2
    exit 1
}

missing_packages() {
    local package
    grep -v '^ *#' packages.txt | while read -r package; do
        [ -n "$package" ] || continue
        [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
    done
}

# The words that make a command run as root, or failure where there is no way to.
root_prefix() {
    if [ "$(id -u)" = 0 ]; then
        echo env
    elif ! command -v sudo >/dev/null; then
        return 1
    elif [ -t 2 ]; then
        echo sudo
    elif sudo -n true 2>/dev/null; then
        echo sudo -n
    else
        return 1
    fi
}

install_packages() {
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        echo "This is no Debian system: going on in the hope that what packages.txt lists is there."
        return 0
    fi
    local missing prefix log=build/packages.log
    missing=$(missing_packages | tr '\n' ' ')
    [ -n "$missing" ] || return 0
    prefix=$(root_prefix) || fail "Packages are missing and there is no way to install them from here; as root, run: apt-get install $missing"
    echo "Installing $missing"
    mkdir -p build
    $prefix apt-get update >"$log" 2>&1 </dev/null || true # an older list of packages may do
    # shellcheck disable=SC2086
    $prefix env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing >>"$log" 2>&1 </dev/null && return 0
    tail -n 20 "$log" >&2
    fail "apt-get could not install: $missing(the lines above are the end of $log)"
}

# build PRESET: configures and builds; says nothing unless it fails.
build() {
    local log=build/$1.log
    mkdir -p build
    if ! { cmake --preset "$1" && cmake --build --preset "$1"; } >"$log" 2>&1 </dev/null; then
        tail -n 60 "$log" >&2
        fail "The $1 build failed (the lines above are the end of $log)."
    fi
}
