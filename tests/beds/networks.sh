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

begin() { # NETWORK LOG COMMAND...
    on "$1" "${@:3}" >"$scratch/$2" 2>&1 &
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

close_networks() {
    local name
    for name in "${networks[@]}"; do
        ip netns pids "$bed$$-$name" | xargs -r kill -KILL || true
        ip netns del "$bed$$-$name"
    done
    wait 2>/dev/null || true
    rm -rf "$scratch"
}
