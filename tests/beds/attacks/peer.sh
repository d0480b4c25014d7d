# shellcheck shell=bash
# Who is calling: no user may be taken for another one, for a container, or for nobody in particular.
#
#   host --- bridge --- pod        The daemon listens at host. The pod has a daemon's address, too.
#    |
#   wire (another interface)
#
# Rows without a name of an attack show that the same call works for whom it is meant.

# The network `host` ends with this file.
bed=hostile-peer-
network host pod
cable host pod
on host ip link add bridge type bridge
on host ip link set pod master bridge
on host ip link set bridge up
on host ip link add wire type veth peer name unused
on host ip link set wire up
on host ip link set unused up
on host ip addr add 172.17.0.1/16 dev bridge
on host ip addr add fd00:17::1/64 dev bridge nodad
on host ip addr add fe80::17/64 dev bridge nodad
on host ip addr add 10.8.0.1/24 dev wire
on host ip addr add 10.9.9.9/32 dev lo
on host ip addr add 169.254.169.254/32 dev lo
on host ip route add 169.254.169.254/32 dev bridge
on pod ip addr add 172.17.0.2/16 dev host
on pod ip addr add 172.17.0.3/16 dev host
on pod ip addr add fd00:17::2/64 dev host nodad
on pod ip addr add 169.254.169.254/32 dev lo
scoped=fe80::17%bridge

begin pod server.log python3 -B -m http.server --bind 169.254.169.254 1338

begin_sts host
serve() { # ENTRIES
    if [ -n "${daemon:-}" ]; then
        kill "$daemon" && { wait "$daemon" || true; }
    fi
    cat >"$scratch/config.toml" <<TOML
listen = [
    { address = '0.0.0.0:1338', allow_from = ['172.17.0.0/16'] },
    { address = '[::]:1338', allow_from = ['fd00:17::/64'] },
]
control = { uids = [$attacker], group = '$attacker' }
$1
[role.dev]
role_arn = "arn:aws:iam::123456789012:role/dev"
credential_source = "Environment"
[role.ci]
role_arn = "arn:aws:iam::123456789012:role/ci"
credential_source = "Environment"
eager = true
TOML
    begin host daemon.log env HOME="$scratch" XDG_RUNTIME_DIR="$scratch" AWS_REGION=eu-central-1 \
        AWS_ACCESS_KEY_ID="$(variable AWS_ACCESS_KEY_ID)" AWS_SECRET_ACCESS_KEY="$(variable AWS_SECRET_ACCESS_KEY)" \
        AWS_ENDPOINT_URL_STS="$(variable AWS_ENDPOINT_URL_STS)" "$program" run --config "$scratch/config.toml"
    daemon=$!
    within 20 says daemon.log rotated
    within 5 says daemon.log 'rotated.*ci'
}

# A call as in peer.py; its exit code tells an attack that failed from one that did not take place.
call() { on "$1" python3 -B tests/beds/attacks/peer.py "${@:2}"; }
served() { # UID HOST OPTION...
    call host "$1" "$2" 1338 --victim $victim "${@:3}"
}
refused() { # UID HOST OPTION...
    local code=0
    served "$@" || code=$?
    [ "$code" = 1 ]
}
attack() { # NAME HOST OPTION...
    check "attacker: $1" refused $attacker "${@:2}"
    # A daemon that was stopped for the attack goes on, whatever came of it.
    kill -CONT "$daemon" 2>/dev/null || true
}

# --- one user has a role, containers have another, all others have nothing ---

serve "[[access]]
uid = $victim
role = 'dev'
[[access]]
from = '172.17.0.0/16'
role = 'ci'
[[access]]
from = 'fd00:17::/64'
role = 'ci'"

for way in "" "--device lo" "--half-close" "--mapped" "--mptcp" "--source 127.7.7.7" "--source 10.9.9.9" "--source 172.17.0.1" \
    "--listens 127.0.0.1" "--device lo --listens 0.0.0.0" "--reuseport" "--fast-open"; do
    # shellcheck disable=SC2086 # words of an option
    check "the user gets a token: ${way:-plain}" served $victim 127.0.0.1 $way
done
check "the user gets a token: by IPv6" served $victim ::1
check "the user gets a token: by IPv6, bound to lo" served $victim ::1 --device lo
check "the user gets a token: from the bridge's address, to it" served $victim 172.17.0.1
check "the user gets a token: the same, bound to the bridge" served $victim 172.17.0.1 --device bridge
check "the user gets a token: bound to another interface" served $victim 10.8.0.1 --device wire
check "the user gets a token: at a link-local address" served $victim "$scoped"
check "the user gets a token: of IPv6 on the bridge" served $victim fd00:17::1 --device bridge
check "a container gets a token" call pod 0 172.17.0.1 1338
check "a container gets a token by IPv6" call pod 0 fd00:17::1 1338

attack "plain" 127.0.0.1
attack "IPv6" ::1
attack "an IPv6 socket to a mapped address" 127.0.0.1 --mapped
attack "shuts down its side" 127.0.0.1 --half-close
attack "MPTCP" 127.0.0.1 --mptcp
attack "TCP Fast Open" 127.0.0.1 --fast-open
attack "another loopback address" 127.0.0.1 --source 127.7.7.7
for listens in 0.0.0.0 127.0.0.1; do
    attack "bound to lo, the victim listens on its port at $listens" 127.0.0.1 --device lo --listens $listens
    attack "bound to lo, the victim listens later at $listens" 127.0.0.1 --device lo --listens $listens --listens-late --daemon "$daemon"
    attack "the victim listens on its port at $listens" 127.0.0.1 --listens $listens
done
attack "bound to lo, the victim listens on its port for both families" 127.0.0.1 --device lo --listens ::
attack "bound to lo, the victim listens on its port at ::1" ::1 --device lo --listens ::1
attack "bound to the bridge, the victim listens on its port" 172.17.0.1 --device bridge --listens 0.0.0.0
attack "bound to another interface, the victim listens on its port" 10.8.0.1 --device wire --listens 0.0.0.0
attack "link-local, the victim listens on its port" "$scoped" --listens ::
attack "bound to lo after the request, the victim listens on its port" 127.0.0.1 --device-after lo --listens 0.0.0.0 --daemon "$daemon"
attack "bound to lo after the request" 127.0.0.1 --device-after lo --daemon "$daemon"
attack "SO_REUSEPORT, the victim listens on its port" 127.0.0.1 --device lo --reuseport --listens 127.0.0.1
# The pod's server has an address that the host has, too, so its packets are usually dropped.
on host sysctl -qw net.ipv4.conf.bridge.accept_local=1
check "the user gets a token: beside a connection to the pod's server" served $victim 169.254.169.254 --source 172.17.0.1 --twin bridge
attack "the addresses of the victim's connection to the pod's server" 169.254.169.254 --source 172.17.0.1 --twin bridge
attack "the same, bound to the bridge after the request" 169.254.169.254 --source 172.17.0.1 --twin bridge --device-after bridge --daemon "$daemon"
on host sysctl -qw net.ipv4.conf.bridge.accept_local=0
attack "its socket is used by the victim" 127.0.0.1 --used-by-victim
attack "the victim's uid in a user namespace" 127.0.0.1 --claims $victim
attack "root in a user namespace" 127.0.0.1 --claims 0
attack "as a container: from the bridge's address, to it" 172.17.0.1
attack "as a container: from the bridge's address" 127.0.0.1 --source 172.17.0.1
attack "as a container: bound to the bridge" 172.17.0.1 --device bridge
attack "as a container: bound to the bridge after the request" 10.9.9.9 --source 172.17.0.1 --device-after bridge --daemon "$daemon"
attack "as a container: by IPv6" fd00:17::1
attack "as a container: by IPv6, to ::1" ::1 --source fd00:17::1
attack "as a container: from a link-local address" fd00:17::1 --source "$scoped"
impossible() { # OPTION...
    local code=0
    served "$@" || code=$?
    [ "$code" = 2 ]
}
check "attacker: takes the address of a container that is there" impossible $attacker 172.17.0.1 --source 172.17.0.2 --freebind
check "attacker: takes the address of a container that is not" impossible $attacker 172.17.0.1 --source 172.17.99.9 --freebind
check "attacker: the same by IPv6" impossible $attacker fd00:17::1 --source fd00:17::99 --freebind

on pod ip addr add 10.9.9.9/32 dev lo
check "attacker: root of a pod takes an address of the host" not call pod 0 172.17.0.1 1338 --source 10.9.9.9
on pod ip addr del 10.9.9.9/32 dev lo

# --- one user is denied, everybody else has a role ---

serve "[[access]]
uid = $attacker
roles = []
[[access]]
role = 'dev'"

check "another user gets a token" served $victim 127.0.0.1
check "a container gets a token" call pod 0 172.17.0.1 1338
for way in "" "--device lo" "--half-close" "--mapped" "--mptcp" "--source 127.7.7.7" "--source 10.9.9.9" "--source 172.17.0.1" \
    "--device lo --listens 0.0.0.0" "--device-after lo --daemon $daemon" "--claims $victim"; do
    # shellcheck disable=SC2086
    attack "denied: ${way:-plain}" 127.0.0.1 $way
done
attack "denied: from the bridge's address, to it" 172.17.0.1
attack "denied: bound to the bridge" 172.17.0.1 --device bridge
attack "denied: bound to the bridge after the request" 10.9.9.9 --source 172.17.0.1 --device-after bridge --daemon "$daemon"
attack "denied: by IPv6, bound to lo" ::1 --device lo
attack "denied: by IPv6 on the bridge" fd00:17::1
attack "denied: from a link-local address" "$scoped"

# --- a group is denied; of a user who is not in /etc/passwd no group is known ---

serve "[[access]]
gid = $attacker
roles = []
[[access]]
role = 'dev'"

attack "its group is denied" 127.0.0.1
attack "its group is denied: bound to lo" 127.0.0.1 --device lo
check "root, whose groups are known, gets a token" served 0 127.0.0.1

# --- a user has less than everybody else ---

serve "[[access]]
uid = $attacker
roles = ['ci']
[[access]]
roles = ['ci', 'dev']
role = 'dev'"

check "another user gets a token" served $victim 127.0.0.1
attack "more than its own entry gives" 127.0.0.1
attack "the same, unrecognisable" 10.9.9.9 --source 172.17.0.1 --device-after bridge --daemon "$daemon"

# --- a container's process has the victim's uid ---

serve "[[access]]
uid = $victim
role = 'dev'"

check "attacker: the victim's uid in a container" not call pod $victim 172.17.0.1 1338
check "attacker: the same by IPv6" not call pod $victim fd00:17::1 1338

# --- the process behind the control socket ---

chmod 711 "$scratch"
check "a process gets a token by the control socket" on host python3 -B tests/beds/attacks/reused_pid.py "$scratch/assumed/control.sock" $attacker
check "attacker: another process has its pid meanwhile" not on host python3 -B tests/beds/attacks/reused_pid.py "$scratch/assumed/control.sock" $attacker --reused-by $victim

# --- where users cannot be told apart ---

exits_with_78() { # COMMAND...
    local code=0
    on pod env HOME="$scratch" XDG_RUNTIME_DIR="$scratch/alone" AWS_REGION=eu-central-1 AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE \
        AWS_SECRET_ACCESS_KEY=x timeout 20 "$@" --config "$scratch/config.toml" || code=$?
    [ "$code" = 78 ]
}
mkdir "$scratch/alone"
check "a check accepts rules about users here" not exits_with_78 "$program" check
if unshare --user --map-root-user true 2>/dev/null; then
    check "a check refuses them in a user namespace" exits_with_78 unshare --user --map-root-user "$program" check
    check "a daemon refuses them in a user namespace" exits_with_78 unshare --user --map-root-user "$program" run --state-dir "$scratch/alone"
else
    echo "SKIPPED: hostile: user namespaces cannot be made here"
fi
