# shellcheck shell=bash
# Pods that want the role of another pod, or all of the daemon's time. The cluster is an issuer
# whose keys stand in a file; openssl signs, so that nothing of the daemon's vouches for itself.
# How old keys may be needs an hour, and is tested on simulated time (src/daemon/issuers/tests.rs).
# A stolen token is no row: it is a bearer token, as at AWS's agent (docs/access.md).

installed openssl=openssl

pod="python3 tests/beds/pod.py"
cluster=$scratch/cluster

# The node, an honest pod and one that is not, each with a network of its own.
network node shop evil
on node ip addr add 169.254.170.23/32 dev lo
on node sysctl -qw net.ipv4.ip_forward=0
number=0
for name in shop evil; do
    number=$((number + 1))
    cable node "$name"
    on node ip addr add "10.77.$number.1/24" dev "$name"
    on "$name" ip addr add "10.77.$number.2/24" dev node
    on "$name" ip route add 169.254.170.23 via "10.77.$number.1"
done

mkdir "$cluster"
$pod cluster "$cluster"
begin_sts node
begin_daemon node "listen = [\"127.0.0.1:1338\", { address = \"169.254.170.23:80\", kind = \"pod-identity\" }]
[[pod]]
issuer = \"https://kubernetes.default.svc.cluster.local\"
jwks_file = \"$cluster/jwks.json\"
subject = \"system:serviceaccount:shop:*\"
role = \"dev\"
[[pod]]
issuer = \"https://kubernetes.default.svc.cluster.local\"
jwks_file = \"$cluster/jwks.json\"
subject = \"system:serviceaccount:*:reader\"
role = \"dev\"" || exit 1

token() { $pod token "$cluster" "$@"; } # KEY [HEADER [CLAIMS]]

answers() { # POD STATUS TOKEN [HOST]
    local got
    got=$(on "$1" $pod ask "${@:3}") || return 1
    [[ $got = "$2 "* ]] || { echo "$got"; return 1; }
}

# Whatever is answered, nothing secret is in it; and it is the attack that is refused, not the attacker's number of them.
gets_nothing() { # POD TOKEN [HOST]
    local got
    got=$(on "$1" $pod ask "${@:2}") || return 1
    [[ $got != 200* && $got != 429* && $got != *SecretAccessKey* ]] || { echo "$got"; return 1; }
}

raw_gets_nothing() { # TEXT
    local got
    got=$(on evil $pod raw "$1") || return 1
    [[ -n $got && $got != *SecretAccessKey* ]] || { echo "$got"; return 1; }
}

good=$(token one)
check 'the token of a pod opens its role, or no row would mean anything' answers shop 200 "$good"

# --- tokens that its cluster did not sign ---

forged() { check "$1" gets_nothing evil "$(token "${@:2}")"; } # ATTACK KEY [HEADER [CLAIMS]]

forged 'a token without a signature' none '{"alg": "none"}'
forged 'a token without a signature that claims to have one' none
forged 'a signature of random bytes' garbage
forged 'an HMAC with the public key in PEM as its secret' "hmac:$cluster/one.pub" '{"alg": "HS256"}'
forged 'an HMAC with the key set as its secret' "hmac:$cluster/jwks.json" '{"alg": "HS256"}'
forged 'a key of the attacker under the name of the cluster'"'"'s' evil
forged 'a key of the attacker in the header' evil '{"own_jwk": true}'
forged 'a key of the attacker behind jku' evil '{"jku": "http://10.77.2.2/jwks.json"}'
forged 'a kid that is a path' evil '{"kid": "../../../../dev/null"}'
forged 'no kid at all' evil '{"kid": null}'
check 'claims of another token under a genuine signature' gets_nothing evil \
    "${good%%.*}.$(token one '{}' '{"sub": "system:serviceaccount:shop:admin"}' | cut -d. -f2).${good##*.}"
check 'a genuine token with something behind it' gets_nothing evil "$good."
check 'a genuine token as Bearer' gets_nothing evil "Bearer $good"

# --- tokens that it signed for something else ---

forged 'a token that has expired' one '{}' '{"exp": -120}'
forged 'a token that is not valid yet' one '{}' '{"nbf": 120}'
forged 'a token that was issued in the future' one '{}' '{"iat": 120}'
forged 'a token for another recipient' one '{}' '{"aud": ["https://kubernetes.default.svc"]}'
forged 'a token for nobody' one '{}' '{"aud": []}'
forged 'a token of another service account' one '{}' '{"sub": "system:serviceaccount:ops:web"}'
forged 'a namespace that begins like the one that is meant' one '{}' '{"sub": "system:serviceaccount:shopping:web"}'
forged 'a subject that ends like one that is meant' one '{}' '{"sub": "system:serviceaccount:evil:x:reader"}'
forged 'an issuer with a slash more' one '{}' '{"iss": "https://kubernetes.default.svc.cluster.local/"}'
forged 'a critical extension' one '{"crit": ["exp"], "exp": 1}'
forged 'a list of critical extensions without one' one '{"crit": []}'
forged 'a payload that says it is not encoded' one '{"b64": false}'
check 'a token of 17 kilobytes' gets_nothing evil "$(token one '{}' "{\"x\": \"$(printf '%013000d' 0)\"}")"

# --- requests ---

check 'the name of another host' gets_nothing evil "$good" metadata.evil.example
check 'a name that begins like the address' gets_nothing evil "$good" 169.254.170.23.evil.example
request="Authorization: $good\\r\\nConnection: close\\r\\n\\r\\n"
check 'no Host' raw_gets_nothing "GET /v1/credentials HTTP/1.0\\r\\n$request"
check 'two of them' raw_gets_nothing \
    "GET /v1/credentials HTTP/1.1\\r\\nHost: 169.254.170.23\\r\\nHost: evil.example\\r\\n$request"
check 'another host in the request line' raw_gets_nothing \
    "GET http://evil.example/v1/credentials HTTP/1.1\\r\\nHost: 169.254.170.23\\r\\n$request"
check 'a user name in Host' raw_gets_nothing \
    "GET /v1/credentials HTTP/1.1\\r\\nHost: 169.254.170.23@evil.example\\r\\n$request"
check 'two tokens, one of them genuine' raw_gets_nothing \
    "GET /v1/credentials HTTP/1.1\\r\\nHost: 169.254.170.23\\r\\nAuthorization: x\\r\\n$request"

# --- keys that are no more ---

$pod publish "$cluster" two
check 'a key that its cluster has removed, within two seconds and without a reload' within 2 gets_nothing evil "$good"
check 'the cluster'"'"'s new key opens the role' answers shop 200 "$(token two)"
$pod publish "$cluster"
check 'the last key that was removed' within 2 gets_nothing evil "$(token two)"
$pod publish "$cluster" one
within 3 answers shop 200 "$good" || true

# --- a share of the daemon ---

# All but 50 tokens at once and 10 a second are refused unseen. A flood is far more than that.
flooded() { # KID
    local counts looked_at
    counts=$(on evil $pod flood 5 "$1")
    echo "$counts"
    looked_at=$(sed -n 's/.*400=\([0-9]*\).*/\1/p' <<<"$counts")
    [ "${looked_at:-0}" -le 110 ] && [[ $counts = *429=[0-9][0-9][0-9]* ]]
}

lines() { grep -cE 'pod_refused|pod_limit' "$scratch/daemon.log" || true; }

before=$(lines)
on shop $pod serve 6 "$good" >"$scratch/served" 2>&1 &
serving=$!
check 'forged tokens at full speed have their signatures checked' flooded one
fresh=$(token one '{}' '{"jti": "never seen before"}')
begin evil flood.log $pod flood 3 one
check 'a pod that comes while another floods has to wait' on shop $pod serve 2 "$fresh"
check 'a pod is not served while another floods' wait "$serving"
on shop $pod serve 6 "$good" >"$scratch/served" 2>&1 &
serving=$!
check 'tokens at full speed that name unknown keys have keys fetched for them' flooded random
check 'a pod is not served while another asks for unknown keys' wait "$serving"
check 'a flood fills the log' test $(($(lines) - before)) -le 4
