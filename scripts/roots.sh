# shellcheck shell=bash
# Shared by on-debian and on-arm64: bare Debian systems in a cache folder, and commands that run inside them. To be
# sourced from the root folder. What is mounted for a command is seen by that command alone and is gone when it ends.

roots=${PARE_ROOTS:-${XDG_CACHE_HOME:-$HOME/.cache}/pare}

fail() {
    echo "$*" >&2
    exit 1
}

roots_check() {
    [ "$(id -u)" = 0 ] || fail "$0 makes a root folder and enters it with chroot, so it has to run as root."
    command -v debootstrap >/dev/null || fail "$0 needs debootstrap; run: apt-get install debootstrap"
    [[ $1 =~ ^[a-z]+$ && -e /usr/share/debootstrap/scripts/$1 ]] || fail "debootstrap knows no suite '$1'; try bookworm or trixie."
    mkdir -p "$roots" || fail "The cache folder $roots cannot be made; set PARE_ROOTS to another."
}

# The mirror that this system gets its packages from, unless PARE_MIRROR names another; nothing: debootstrap's own.
roots_mirror() {
    local found=${PARE_MIRROR:-}
    # shellcheck disable=SC2016
    [ -n "$found" ] || found=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m 1 '/debian/*$') || true
    echo "$found"
}

# What makes packages arrive on this system makes them arrive there.
roots_carry_settings() {
    local root=$1
    rm -f "$root/etc/resolv.conf"
    cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
    apt-config dump | grep -E '^Acquire::(http|https|Retries|ForceIPv)' >"$root/etc/apt/apt.conf.d/90host" || true
    if [ -e /etc/ssl/certs/ca-certificates.crt ]; then
        mkdir -p "$root/etc/ssl/certs"
        cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
    fi
}

# roots_base SUITE: the bare system (debootstrap's minbase), made once.
roots_base() {
    local suite=$1 log=$roots/$1.log
    [ ! -d "$roots/$suite" ] || return 0
    echo "Making a bare $suite in $roots/$suite"
    rm -rf --one-file-system "$roots/$suite.new"
    local mirror
    mirror=$(roots_mirror)
    if ! debootstrap --variant=minbase "$suite" "$roots/$suite.new" ${mirror:+"$mirror"} >"$log" 2>&1 </dev/null; then
        tail -n 10 "$log" >&2
        fail "debootstrap could not make $suite (the lines above are the end of $log)."
    fi
    roots_carry_settings "$roots/$suite.new"
    mv "$roots/$suite.new" "$roots/$suite"
}

# roots_open SUITE NAME AGAIN: the system NAME, a copy of the bare one, held by this run until it ends. Where AGAIN is
# yes, the one of the last run is taken as that left it.
roots_open() {
    local suite=$1 name=$2 again=$3
    exec 9>"$roots/$name.lock"
    flock --nonblock 9 || fail "Another run is using $roots/$name."
    roots_base "$suite"
    [ "$again" = yes ] || rm -rf --one-file-system "${roots:?}/$name"
    [ -d "$roots/$name" ] || cp -a "$roots/$suite" "$roots/$name.new"
    [ -d "$roots/$name" ] || mv "$roots/$name.new" "$roots/$name"
}

# The files to build, of the last commit or (CHANGES=yes) as they are now, into a new folder.
roots_export() {
    local changes=$1 to=$2 path
    mkdir -p "$to"
    if [ "$changes" = yes ]; then
        git ls-files -z --cached --others --exclude-standard | while read -r -d '' path; do
            [ ! -f "$path" ] || printf '%s\0' "$path"
        done | tar --null -T - -cf - | tar -xmf - -C "$to"
    else
        [ -z "$(git status --porcelain)" ] || echo "Changes that are not committed are left out (--changes takes them in)."
        git archive HEAD | tar -xmf - -C "$to"
    fi
}

# Lays the project into NAME as /src/pare. Build folders stay, and so do files that are the same, so that a build there
# makes again only what has changed.
roots_lay_project() {
    local name=$1 changes=$2 path
    local old=$roots/$name/src/pare new=$roots/$name/src/new
    rm -rf --one-file-system "$new"
    roots_export "$changes" "$new"
    [ -d "$old" ] || { mv "$new" "$old" && return; }
    (cd "$old" && find . -path ./build -prune -o -type f -print) | while read -r path; do
        [ -e "$new/$path" ] || rm -f "$old/$path"
    done
    (cd "$new" && find . -type f -print) | while read -r path; do
        cmp -s "$new/$path" "$old/$path" || { mkdir -p "$old/${path%/*}" && mv "$new/$path" "$old/$path"; }
    done
    rm -rf --one-file-system "$new"
}

# roots_enter NAME SHARED COMMAND...: runs the command there, in the project's folder, with the folder SHARED (if it is
# not empty) beside the project, read-only.
roots_enter() {
    local name=$1 shared=$2 root=$roots/$1 setting
    shift 2
    mkdir -p "$root/src/pare" "$root/src/shared"
    local -a settings=(PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive)
    for setting in $(compgen -e | grep -E '^(https?_proxy|no_proxy|TERM|(OPENBLAS|ONEDNN|OMP|GOMP)_.*)$'); do
        settings+=("$setting=${!setting}")
    done
    # shellcheck disable=SC2016
    unshare --mount --propagation private -- bash -c '
        root=$1 shared=$2
        shift 2
        mount -t proc proc "$root/proc" && mount --rbind /sys "$root/sys" && mount --rbind /dev "$root/dev" || exit 1
        if [ -n "$shared" ]; then
            mount --bind "$shared" "$root/src/shared" && mount -o remount,bind,ro "$root/src/shared" || exit 1
        else
            rmdir "$root/src/shared" || exit 1
        fi
        exec chroot "$root" env -i --chdir=/src/pare "$@"' - "$root" "$shared" "${settings[@]}" "$@" 9>&-
}

# The data that may lie beside the project.
roots_shared() {
    local found=${PARE_SHARED:-../shared}
    [ ! -d "$found" ] || readlink -f "$found"
}

# quietly LOG WHAT COMMAND...: shows the end of what the command said only if it fails.
quietly() {
    local log=$roots/$1 what=$2
    shift 2
    if ! "$@" >"$log" 2>&1 </dev/null; then
        grep -E -A 4 'warning:|error:' "$log" | head -n 40 >&2 || true
        tail -n 20 "$log" >&2
        fail "$what failed (the lines above are of $log)."
    fi
}
