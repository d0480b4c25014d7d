# shellcheck shell=bash
# Who is calling: a user may not be taken for another one, nor for a container.
# The victim may have the role `dev`, the attacker nothing, containers the role `ci`.

network host pod
cable host pod
on host ip addr add 172.17.0.1/16 dev pod
on pod ip addr add 172.17.0.2/16 dev host
on host ip addr add 10.9.9.9/32 dev lo

begin_sts host
roles() { # ENTRIES...
    cat <<TOML
listen = [{ address = '0.0.0.0:1338', allow_from = ['172.17.0.0/16'] }, { address = '[::1]:1339' }]
$*
[role.dev]
role_arn = "arn:aws:iam::123456789012:role/dev"
credential_source = "Environment"
[role.ci]
role_arn = "arn:aws:iam::123456789012:role/ci"
credential_source = "Environment"
eager = true
TOML
}
serve_roles() { # ENTRIES
    [ -z "${daemon:-}" ] || { kill "$daemon" && wait "$daemon" || true; }
    roles "$1" >"$scratch/config.toml"
    begin host daemon.log env HOME="$scratch" XDG_RUNTIME_DIR="$scratch" AWS_REGION=eu-central-1 \
        AWS_ACCESS_KEY_ID="$(variable AWS_ACCESS_KEY_ID)" AWS_SECRET_ACCESS_KEY="$(variable AWS_SECRET_ACCESS_KEY)" \
        AWS_ENDPOINT_URL_STS="$(variable AWS_ENDPOINT_URL_STS)" "$program" run --config "$scratch/config.toml"
    daemon=$!
    within 20 says daemon.log rotated
}

cat >"$scratch/call.py" <<'PY'
"""call.py WAY ADDRESS PORT [LOCAL]: asks for a metadata token in some way; exits 0 if one came, 3 if none did."""
import socket, sys, time
way, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
local = sys.argv[4] if len(sys.argv) > 4 else ""
family = socket.AF_INET6 if ":" in host else socket.AF_INET
name = f"[{host}]" if ":" in host else host
head = f"PUT /latest/api/token HTTP/1.1\r\nHost: {name}:{port}\r\nX-aws-ec2-metadata-token-ttl-seconds: 60\r\n\r\n".encode()
s = socket.socket(family, socket.SOCK_STREAM)
s.settimeout(3)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
if way == "reuseport":
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
if way.startswith("device:"):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, way.split(":")[1].encode() + b"\0")
if local:
    at, _, own = local.rpartition("@")
    s.bind((at, int(own)))
if own_port := (local and int(local.rpartition("@")[2])):
    # Another user's server starts on this port meanwhile.
    time.sleep(2)
try:
    s.connect((host, port))
    if way == "close":
        # The reply cannot arrive; the request must have no effect either.
        s.sendall(head); s.close(); sys.exit(3)
    s.sendall(head)
    if way == "halfclose":
        s.shutdown(socket.SHUT_WR)
    reply = s.recv(4096)
except OSError as error:
    print(error); sys.exit(3)
print(reply[:80])
sys.exit(0 if reply.startswith(b"HTTP/1.1 200 ") else 3)
PY
chmod 644 "$scratch/call.py"

# A server of the victim on the port that the attacker has taken, so that a lookup finds the wrong socket.
victim_listens() { # PORT
    sleep 1
    on host setpriv --reuid $victim --regid $victim --clear-groups "$python" -c "
import socket, time
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(('', $1)); s.listen(); time.sleep(8)"
}
token() { # UID WAY ADDRESS PORT [LOCAL]
    on host setpriv --reuid "$1" --regid "$1" --clear-groups "$python" -B "$scratch/call.py" "${@:2}"
}

# No token came, and nothing else went wrong.
refused() { local code=0; token "$@" || code=$?; [ $code = 3 ]; }

# --- rules for one user ---

serve_roles "[[access]]
uid = $victim
roles = ['dev']
[[access]]
from = '172.17.0.0/16'
role = 'ci'"

check "the victim gets a token" token $victim plain 127.0.0.1 1338
check "the victim gets one through a socket bound to lo" token $victim device:lo 127.0.0.1 1338
check "the victim gets one after closing its write side" token $victim halfclose 127.0.0.1 1338
check "the victim gets one from another local address" token $victim plain 127.0.0.1 1338 10.9.9.9@0
check "the victim gets one by IPv6" token $victim plain ::1 1339
check "a container gets its role" on pod python3 -B tests/beds/client.py 172.17.0.1:1338
check "attacker: plain" refused $attacker plain 127.0.0.1 1338
check "attacker: IPv6" refused $attacker plain ::1 1339
check "attacker: half close" refused $attacker halfclose 127.0.0.1 1338
check "attacker: closes before the lookup" refused $attacker close 127.0.0.1 1338
check "attacker: another loopback address" refused $attacker plain 127.0.0.1 1338 127.7.7.7@0
check "attacker: socket bound to lo" refused $attacker device:lo 127.0.0.1 1338
beside_server() { # PORT COMMAND...
    victim_listens "$1" & "${@:2}"
}
check "attacker: bound to lo, on a port where the victim listens" beside_server 45001 refused $attacker device:lo 127.0.0.1 1338 127.0.0.1@45001
check "attacker: the same from another loopback address" beside_server 45002 refused $attacker device:lo 127.0.0.1 1338 127.0.0.2@45002
check "attacker: on a port where the victim listens, without a device" beside_server 45003 refused $attacker plain 127.0.0.1 1338 127.0.0.2@45003
check "attacker: from the bridge's own address, as a container" refused $attacker plain 172.17.0.1 1338
check "attacker: from the bridge's address to another local address" refused $attacker plain 10.9.9.9 1338 172.17.0.1@0
check "attacker: bound to the bridge's device" refused $attacker device:pod 172.17.0.1 1338
check "attacker: a local address that no rule names" refused $attacker plain 10.9.9.9 1338 10.9.9.9@0

# --- a rule that denies one user, before a rule for everyone ---

serve_roles "[[access]]
uid = $attacker
roles = []
[[access]]
role = 'dev'"

check "with a denied user, others get a token" token $victim plain 127.0.0.1 1338
check "denied user: plain" refused $attacker plain 127.0.0.1 1338
check "denied user: socket bound to lo" refused $attacker device:lo 127.0.0.1 1338
check "denied user: bound to lo, on a port where the victim listens" beside_server 45004 refused $attacker device:lo 127.0.0.1 1338 127.0.0.1@45004
check "denied user: from another local address" refused $attacker plain 127.0.0.1 1338 10.9.9.9@0
check "denied user: from the bridge's own address" refused $attacker plain 172.17.0.1 1338
check "denied user: after closing its write side" refused $attacker halfclose 127.0.0.1 1338

# --- users that cannot be told apart ---

in_user_namespace() {
    on host unshare --user --map-root-user env HOME="$scratch" XDG_RUNTIME_DIR="$scratch" AWS_REGION=eu-central-1 \
        AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE AWS_SECRET_ACCESS_KEY=x "$program" "$@" --config "$scratch/config.toml"
}
if unshare --user --map-root-user true 2>/dev/null; then
    code() { local code=0; "$@" >"$scratch/said" 2>&1 || code=$?; cat "$scratch/said"; echo "exit $code"; [ "$code" = 78 ]; }
    check "in a user namespace, rules about users do not pass a check" code in_user_namespace check
    check "in a user namespace, rules about users do not start" code timeout 10 unshare --user --map-root-user \
        env HOME="$scratch" XDG_RUNTIME_DIR="$scratch/other" AWS_REGION=eu-central-1 "$program" run --config "$scratch/config.toml" --state-dir "$scratch/state2"
else
    echo "SKIPPED: hostile: no user namespaces here"
fi
