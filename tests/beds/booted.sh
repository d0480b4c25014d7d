# shellcheck shell=bash
# A booted Debian ($suite, default bookworm), sourced after common.sh: systemd is PID 1
# in a container with a network of its own, and writes are forgotten. The root file system
# is made once, in $ROOTFS (default ~/.cache/assumed/SUITE).

suite=${suite:-bookworm}
rootfs=${ROOTFS:-${XDG_CACHE_HOME:-$HOME/.cache}/assumed/$suite}
machine=assumed$$

root_file_system() {
    needs systemd-nspawn=systemd-container mmdebstrap=mmdebstrap ip=iproute2 nsenter=util-linux python3=python3
    [ -d "$rootfs/usr" ] && return
    mkdir -p "$(dirname "$rootfs")"
    local packages=systemd,systemd-sysv,dbus,iproute2,python3-minimal,curl,libpam-systemd,dbus-user-session
    mmdebstrap --quiet --variant=minbase --include="$packages" "$suite" "$rootfs" >"$scratch/debian" 2>&1 ||
        { rm -rf "$rootfs"; skip "no Debian $suite: $(tail -1 "$scratch/debian")"; }
}

shut_down() {
    local code=$?
    if [ "$code" != 0 ] && [ -n "${leader:-}" ]; then
        echo "-- the journal's last lines"
        inside journalctl --no-pager -q | grep -v "Accepted\|session" | tail -40 || true
    fi
    [ -z "${container:-}" ] || { kill -TERM "$container" 2>/dev/null && wait "$container"; } || true
    ip netns del "$machine" 2>/dev/null || true
    [ -z "${mount_own:-}" ] || umount /run/systemd/nspawn || true
    rm -rf "$scratch"
}

boot() { # NSPAWN-OPTION...
    root_file_system
    trap shut_down EXIT
    mkdir -p /run/systemd/nspawn
    # nspawn does not clean up after itself on a disk.
    mountpoint -q /run/systemd/nspawn || { mount -t tmpfs -o mode=755 "$machine" /run/systemd/nspawn; mount_own=1; }
    ip netns add "$machine"
    ip -n "$machine" link set lo up
    # `bpf` lets the units filter addresses, the others let the daemon close its sandbox.
    SYSTEMD_LOG_LEVEL=warning systemd-nspawn --quiet --directory="$rootfs" --volatile=overlay --boot --keep-unit \
        --register=no --network-namespace-path="/run/netns/$machine" --system-call-filter="bpf landlock_create_ruleset landlock_add_rule landlock_restrict_self" \
        --capability=CAP_NET_ADMIN --console=pipe -M "$machine" "$@" >"$scratch/console" 2>&1 &
    container=$!
    leader=
    for _ in $(seq 500); do
        leader=$(awk '{ print $1 }' "/proc/$container/task/$container/children" 2>/dev/null || true)
        [ -n "$leader" ] && [ -e "/proc/$leader/root/run/systemd/private" ] && break
        sleep 0.02
    done
    [ -n "$leader" ] || { cat "$scratch/console"; skip "systemd does not boot here"; }
    inside systemctl is-system-running --wait >/dev/null || true
}

inside() { nsenter -t "$leader" -m -u -i -n -p -C -- "$@"; }
# This machine's own programs, on the network of the container.
at() { nsenter -t "$leader" -n -- "$@"; }

property() { inside systemctl show "$1" -p "$2" --value; }
is() { [ "$(property "$1" "$2")" = "$3" ] || { echo "$2 of $1 is: $(property "$1" "$2")"; return 1; }; }
status_has() { property "$1" StatusText | grep -E -- "$2" || { property "$1" StatusText; return 1; }; }
journal_has() { inside journalctl -u "$1" --no-pager -o cat | grep -E -- "$2" || { inside journalctl -u "$1" --no-pager -o cat | tail -4; return 1; }; }
on_lo() { at ip addr show dev lo | grep -F 169.254.169.254/32; }

# Prints the access key id that a client gets.
client() { at python3 -B tests/beds/client.py "${1:-169.254.169.254:80}"; }

# An STS on the loopback of the container, where nobody else is: its keys, by name.
sts() { # [PROGRAM]
    inside systemd-run -q --unit=sts "${1:-/usr/bin/assumed}" demo --sts-only --sts-listen 127.0.0.1:4599 --sts-faults
    within 10 journal_has sts AWS_ACCESS_KEY_ID
}
variable() { inside journalctl -u sts --no-pager -o cat | sed -n "s/.*export $1=//p" | head -1; }
