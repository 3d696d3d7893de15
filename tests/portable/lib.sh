# What the stages share; each sources it first.
# shellcheck shell=sh
set -eu
unset MAKEFLAGS MAKELEVEL # of the `make portable` that runs us
here=$(cd "$(dirname "$0")" && pwd)
project=$(cd "$here/../.." && pwd)
# What was fetched once: the roots, their packages, the cross compiler.
cache=${XDG_CACHE_HOME:-$HOME/.cache}/socklab
arch=$(dpkg --print-architecture 2>/dev/null || echo none)

# Ends the stage as one that cannot be run on this machine, and says why.
cannot() {
    echo "cannot be run here: $*"
    exit 77
}

# Says what comes next.
step() {
    what=$*
    echo
    echo "-- $what ($(date +%T))"
}

# Runs the command of a step; where it fails the stage goes on, to show whatever else does, and fails in verdict.
failed=
attempt() {
    "$@" || { failed="$failed, $what" && echo "FAILED: $what"; }
}
verdict() {
    [ -z "$failed" ] || { echo "failed: ${failed#, }" && exit 1; }
}

# Copies the project as it stands into a folder, without what was built: as a clone would be.
copy_project() {
    mkdir -p "$1"
    (cd "$project" && git ls-files -z --cached --others --exclude-standard |
        tar --create --null --files-from=- --ignore-failed-read) | tar --extract --no-same-owner --directory="$1"
}

# Goes on in mount and process namespaces of the stage's own: what it mounts and starts ends when it does.
alone() {
    [ -z "${ALONE:-}" ] || { trap 'exit 130' INT TERM && return; }
    [ "$(id -u)" = 0 ] || cannot "chroot and mount want root"
    unshare --mount true 2>/dev/null || cannot "this container allows no namespaces"
    ALONE=1 exec unshare --mount --pid --fork --kill-child --ipc --mount-proc "$0"
}

# base_root SUITE ARCH: sets $base to a Debian as debootstrap leaves it, which is made once and never written to.
base_root() {
    base=$cache/$1-$2
    mkdir -p "$cache"
    exec 9>"$cache/lock"
    flock 9
    if [ ! -d "$base" ]; then
        command -v debootstrap >/dev/null || cannot "install the package debootstrap"
        # $(SITE) and $(ORIGIN) are apt's.
        # shellcheck disable=SC2016
        mirror=$(apt-get indextargets --format '$(ORIGIN) $(SITE)' 'Created-By: Packages' | sed -n 's/^Debian //p' | head -1)
        [ -n "$mirror" ] || cannot "the machine's apt knows no mirror of Debian"
        step "debootstrap $1 $2"
        rm -rf "$base.new"
        debootstrap --variant=minbase --arch="$2" "$1" "$base.new" "$mirror" >"$base.log" || { tail "$base.log" && exit 1; }
        mv "$base.new" "$base"
    fi
    flock --unlock 9
    exec 9>&-
}

# fresh_root SUITE ARCH: sets $root to such a Debian. What is written to it stays in memory, and is gone with the stage.
fresh_root() {
    base_root "$1" "$2"
    archives=$cache/packages-$1-$2
    mkdir -p "$archives"
    mount -t tmpfs -o mode=755 tmpfs /mnt
    mkdir /mnt/over /mnt/work /mnt/root
    mount -t overlay overlay -o "lowerdir=$base,upperdir=/mnt/over,workdir=/mnt/work" /mnt/root
    root=/mnt/root
    mount -t proc proc $root/proc
    mount -t sysfs sysfs $root/sys
    mount -t tmpfs -o mode=755 tmpfs $root/dev
    mkdir $root/dev/pts $root/dev/shm
    mount -t devpts -o newinstance,gid=5,mode=620,ptmxmode=666 devpts $root/dev/pts
    chmod 1777 $root/dev/shm
    mknod -m 666 $root/dev/null c 1 3
    mknod -m 666 $root/dev/zero c 1 5
    mknod -m 666 $root/dev/full c 1 7
    mknod -m 666 $root/dev/random c 1 8
    mknod -m 666 $root/dev/urandom c 1 9
    mknod -m 666 $root/dev/tty c 5 0
    ln -s pts/ptmx $root/dev/ptmx
    ln -s /proc/self/fd $root/dev/fd
    ln -s fd/0 $root/dev/stdin
    ln -s fd/1 $root/dev/stdout
    ln -s fd/2 $root/dev/stderr
    mount --bind "$archives" $root/var/cache/apt/archives

    cp /etc/resolv.conf $root/etc/resolv.conf
    printf '127.0.0.1 localhost %s\n::1 localhost ip6-localhost\n' "$(hostname)" >$root/etc/hosts
    # No package starts a service, and none asks.
    printf '#!/bin/sh\nexit 101\n' >$root/usr/sbin/policy-rc.d
    chmod +x $root/usr/sbin/policy-rc.d
    {
        apt-config dump | grep -E '^Acquire::(http|https)::.*[Pp]roxy|^Acquire::Check' || true
        echo 'APT::Get::Assume-Yes "true"; APT::Install-Recommends "false"; APT::Keep-Downloaded-Packages "true";'
        echo 'APT::Sandbox::User "root"; Dpkg::Use-Pty "false"; quiet "2";'
    } >$root/etc/apt/apt.conf.d/99portable
    inside 'apt-get update && useradd --create-home --shell /bin/sh student'
}

# Runs a shell command in the root.
inside() {
    chroot "$root" env -i HOME=/root USER=root DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin bash -euc "$1"
}

# The same in a network of its own that has the loopback alone; as root, or as a user without rights.
ipv6=on
alone_on_the_network() {
    # shellcheck disable=SC2016
    unshare --net sh -euc '
        [ "$0" = on ] || echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6
        ip link set lo up
        exec "$@"' $ipv6 "$@"
}
offline() {
    alone_on_the_network chroot "$root" env -i HOME=/root USER=root PATH=/usr/sbin:/usr/bin:/sbin:/bin bash -euc "$1"
}
offline_student() {
    alone_on_the_network chroot "$root" su - student -c "bash -euc '$1'"
}

# The first block of commands below a heading of the README.
readme_commands() {
    awk -v heading="$1" '/^##/ { below = ($0 ~ heading) } below && /^```/ { if (block++) exit; next } below && block' \
        "$project/README.md"
}
