# shellcheck shell=bash
# Networks of their own, sourced after common.sh. They end with the bed, and so does
# whatever runs in them.

networks=()

network() { # NAME...
    trap close_networks EXIT
    local name
    for name; do
        ip netns add "$bed$$-$name"
        networks+=("$name")
        on "$name" ip link set lo up
    done
}

on() { # NETWORK COMMAND...
    ip netns exec "$bed$$-$1" "${@:2}"
}

begin() { # NETWORK LOG COMMAND...; $! is the command.
    rm -f "$scratch/$2"
    ip netns exec "$bed$$-$1" "${@:3}" >"$scratch/$2" 2>&1 &
}

# A cable: the interface TO at FROM leads to the interface FROM at TO.
cable() { # FROM TO
    ip link add name "$2" netns "$bed$$-$1" type veth peer name "$1" netns "$bed$$-$2"
    on "$1" ip link set "$2" up
    on "$2" ip link set "$1" up
}

says() { # LOG TEXT
    grep -qE -- "$2" "$scratch/$1" || { tail -5 "$scratch/$1"; return 1; }
}

# An STS on a network's loopback, whose keys are no secret.
begin_sts() { # NETWORK
    begin "$1" sts.log "$program" demo --sts-only --sts-listen 127.0.0.1:4599
    within 20 says sts.log AWS_SECRET_ACCESS_KEY
}
variable() { sed -n "s/.*export $1=//p" "$scratch/sts.log"; }

# A daemon on a network, for that STS and with these settings, once it has credentials. Sets $daemon.
begin_daemon() { # NETWORK SETTINGS
    printf '%s\n' "$2" >"$scratch/config.toml"
    begin "$1" daemon.log env HOME="$scratch" XDG_RUNTIME_DIR="$scratch" AWS_REGION=eu-central-1 \
        AWS_ACCESS_KEY_ID="$(variable AWS_ACCESS_KEY_ID)" AWS_SECRET_ACCESS_KEY="$(variable AWS_SECRET_ACCESS_KEY)" \
        AWS_ENDPOINT_URL_STS="$(variable AWS_ENDPOINT_URL_STS)" \
        "$program" run --config "$scratch/config.toml" --role-arn arn:aws:iam::123456789012:role/dev
    daemon=$!
    within 20 says daemon.log rotated
}

close_networks() {
    local name
    disown -a
    for name in "${networks[@]}"; do
        ip netns pids "$bed$$-$name" | xargs -r kill -KILL || true
        ip netns del "$bed$$-$name"
    done
    rm -rf "$scratch"
}
