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
# Members of this group may connect to the control socket, but only these users are admitted.
group=60000 admitted=60003 other_admitted=60004
listen="
    listen = [
        '$imds',
        { address = '$container', kind = 'container' },
        { address = '$pods', kind = 'pod-identity' },
        { address = '$metrics', kind = 'metrics' },
        { address = '$bridge', allow_from = ['10.1.0.0/24'] },
        { address = '10.1.0.1:1344' },
        { address = '$bridge6', allow_from = ['2001:db8::/32', 'fd00:1::/64'] },
    ]
    imds.http_tokens = 'optional'
    control = { path = '$control', group = '$group', uids = [$admitted, $other_admitted] }"
listeners=("imds=$imds" "container=$container" "pods=$pods" "metrics=$metrics")

member() { # UID COMMAND...: in the group of the control socket
    on host setpriv --reuid "$1" --regid "$1" --groups "$group" --no-new-privs "${@:2}"
}
answers() { user_of host "$victim" python3 -B "$scratch/limits.py" probe "$@"; }
answers_order() { member "$1" python3 -B "$scratch/limits.py" probe "control=$control"; } # UID

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
    local milliseconds=100
    # These also take as much of a processor as there is, on small machines the one that answers.
    [[ ! $4 =~ ^(unread|foreign|waiting|churn)$ ]] || milliseconds=250
    attack "${@:2}"
    # On a machine that does other work at the same time, the answer only has to come.
    [ -z "${QUICK:-}" ] || milliseconds=3000
    check "$1: every listener answers another user within $milliseconds ms" answers --limit "$milliseconds" "${listeners[@]}"
    relent
}

# A daemon with these settings and environment, in place of the last one. Sets $daemon.
serve() { # STS-ENDPOINT [COMMAND...], which runs the daemon
    [ -z "${daemon:-}" ] || { kill "$daemon" && wait "$daemon"; } 2>/dev/null || true
    printf '%s\n' "$listen" >"$scratch/config.toml"
    begin host daemon.log "${@:2}" env HOME="$scratch" XDG_RUNTIME_DIR="$scratch" AWS_REGION=eu-central-1 \
        AWS_ACCESS_KEY_ID="$(variable AWS_ACCESS_KEY_ID)" AWS_SECRET_ACCESS_KEY="$(variable AWS_SECRET_ACCESS_KEY)" \
        AWS_ENDPOINT_URL_STS="$1" \
        "$program" run --config "$scratch/config.toml" --role-arn arn:aws:iam::123456789012:role/dev
    daemon=$!
    within 20 says daemon.log serving
}
lines() { wc -l <"$scratch/daemon.log"; }
ends_within() { # SECONDS
    kill "$daemon"
    timeout "$1" tail --pid "$daemon" -f /dev/null
    says daemon.log 'every request in hand was answered'
}

begin_sts host
sts=$(variable AWS_ENDPOINT_URL_STS)
serve "$sts"
within 20 says daemon.log rotated

for target in "${listeners[@]}"; do
    answered_under "1,400 idle connections to ${target%=*}" host "$attacker" idle "${target#*=}"
done
for kind in half-head unread kept-alive churn foreign; do
    answered_under "1,400 connections to imds: $kind" host "$attacker" "$kind" "$imds"
done
for kind in half-head unread foreign; do
    answered_under "1,400 connections to container: $kind" host "$attacker" "$kind" "$container"
done
for kind in half-head foreign; do
    answered_under "1,400 connections to pods: $kind" host "$attacker" "$kind" "$pods"
    answered_under "1,400 connections to metrics: $kind" host "$attacker" "$kind" "$metrics"
done
answered_under "1,400 idle connections of as many users" host 0 many-users "$imds"
answered_under "1,400 idle connections from a pod" pod 0 idle "$bridge"
answered_under "half-sent heads from a pod" pod 0 half-head "$bridge"
answered_under "connections from a pod that is not allowed" pod 0 churn 10.1.0.1:1344
all=("${listeners[@]}")
listeners=("imds=$imds" "imds-6=$bridge6")
answered_under "1,400 idle connections from as many networks" pod 0 many-networks "$bridge6"
listeners=("${all[@]}")

check "1,000 clients of one user at the same time are all served" user_of host "$victim" python3 -B "$scratch/limits.py" burst 1000 "$imds"
check "1,000 clients behind one address at the same time are all served" on pod python3 -B "$scratch/limits.py" burst 1000 "$bridge"
check "nothing of this fills the log" test "$(lines)" -lt 200

# --- the control socket ---

before=$(lines)
for kind in idle half-head churn order; do
    attack host "$attacker" "$kind" "$control" --count 300
    check "control socket, $kind of a user who is not admitted: root is answered" answers_order 0
    check "control socket, $kind of a user who is not admitted: an admitted user is answered" answers_order "$admitted"
    relent
done
for kind in idle half-head order; do
    attack host "$other_admitted" "$kind" "$control" --count 300
    check "control socket, $kind of an admitted user: root is answered" answers_order 0
    check "control socket, $kind of an admitted user: another one is answered" answers_order "$admitted"
    relent
done
check "refused orders do not fill the log" test $(($(lines) - before)) -lt 20

# --- the end ---

attack host "$attacker" idle "$imds"
check "the daemon ends in time with 1,400 idle connections" ends_within 4
relent
for kind in half-head unread; do
    serve "$sts"
    attack host "$attacker" "$kind" "$imds"
    check "the daemon ends in time with 1,400 connections: $kind" ends_within 4
    relent
done

# --- without credentials, and with few open files ---

serve http://127.0.0.1:9
answered_under "1,400 requests that wait for credentials" host "$attacker" waiting "$imds" \
    --head 'GET /latest/meta-data/iam/security-credentials/dev HTTP/1.1\r\nHost: localhost\r\n'
check "requests without credentials do not fill the log" test "$(lines)" -lt 100
serve "$sts" prlimit --nofile=400:400
for target in "${listeners[@]}"; do
    answered_under "400 open files, 1,400 idle connections to ${target%=*}" host "$attacker" idle "${target#*=}"
done
check "few open files: credentials are obtained" within 20 says daemon.log rotated
check "few open files: root may give orders" answers_order 0
