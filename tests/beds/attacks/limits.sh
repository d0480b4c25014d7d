# shellcheck shell=bash
# Sourced by tests/beds/hostile: one user, container or network takes every connection that it can get,
# on each kind of listener and on the control socket. Another user must get its answers meanwhile.
#
#   host --- pod        The daemon is at host. pod has 10.1.0.2, and every address of 2001:db8::/32.

# Programs that every user may run, not those of root's home.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
chmod 711 "$scratch"
install -m 644 tests/beds/limits.py "$scratch"

user_of() { # NETWORK UID COMMAND...
    on "$1" setpriv --reuid "$2" --regid "$2" --clear-groups --no-new-privs env -i PATH="$PATH" "${@:3}"
}

network host pod
cable host pod
on host ip addr add 10.1.0.1/24 dev pod
on host ip addr add fd00:1::1/64 dev pod nodad
on pod ip addr add 10.1.0.2/24 dev host
on pod ip addr add fd00:1::2/64 dev host nodad
on pod ip -6 route add local 2001:db8::/32 dev lo
on host ip -6 route add 2001:db8::/32 via fd00:1::2

imds=127.0.0.1:1338 container=127.0.0.1:1339 pods=127.0.0.1:1340 metrics=127.0.0.1:1341
bridge=10.1.0.1:1342 bridge6='[fd00:1::1]:1343'
control=$scratch/control.sock
# Users of this group may connect to the control socket, but only one of them is admitted.
group=60000 admitted=60003
settings="
    listen = [
        '$imds',
        { address = '$container', kind = 'container' },
        { address = '$pods', kind = 'pod-identity' },
        { address = '$metrics', kind = 'metrics' },
        { address = '$bridge', allow_from = ['10.1.0.0/24'] },
        { address = '$bridge6', allow_from = ['2001:db8::/32', 'fd00:1::/64'] },
    ]
    control = { path = '$control', group = '$group', uids = [$admitted] }"

listeners=("imds=$imds" "container=$container" "pods=$pods" "metrics=$metrics")

probe() { user_of host "$victim" python3 -B "$scratch/limits.py" probe "$@"; }
probe_control() { # UID
    on host setpriv --reuid "$1" --regid "$1" --groups "$group" python3 -B "$scratch/limits.py" probe "control=$control"
}

# Starts an attack, waits until it has what it can get, and leaves its process in $assault.
attack() { # NETWORK UID ATTACK ADDRESS [OPTION...]
    local uid=(setpriv --reuid "$2" --regid "$2" --groups "$group")
    [ "$2" != 0 ] || uid=()
    begin "$1" attack.log "${uid[@]}" python3 -B "$scratch/limits.py" attack "${@:3}"
    assault=$!
    within 20 says attack.log ready || { echo "the attack did not begin: $(tail -1 "$scratch/attack.log")"; exit 1; }
}
relent() {
    kill -KILL "$assault" || true
    wait "$assault" 2>/dev/null || true
}

answered_under() { # LABEL NETWORK UID ATTACK ADDRESS [OPTION...]
    attack "${@:2}"
    check "$1: every listener answers another user within 100 ms" probe "${listeners[@]}"
    relent
}

logged() { grep -cvE "$1" "$scratch/daemon.log" || true; }

begin_sts host
begin_daemon host "$settings"

for target in "${listeners[@]}"; do
    name=${target%=*} address=${target#*=}
    answered_under "1,400 idle connections to $name" host "$attacker" idle "$address"
done
for kind in half-head unread kept-alive churn foreign; do
    answered_under "1,400 connections to imds: $kind" host "$attacker" "$kind" "$imds"
done
for kind in half-head unread foreign; do
    answered_under "1,400 connections to container: $kind" host "$attacker" "$kind" "$container"
done
answered_under "1,400 idle connections of as many users" host 0 many-users "$imds"
answered_under "1,400 idle connections from a pod" pod 0 idle "$bridge"
answered_under "half-sent heads from a pod" pod 0 half-head "$bridge"
listeners=("imds=$imds" "imds-6=$bridge6")
answered_under "1,400 idle connections from as many networks" pod 0 many-networks "$bridge6"
