# shellcheck shell=bash
# What the beds share, sourced by each: asserting, skipping, and getting tools.
# It leaves $program (absolute), $scratch and $failed.

bed=$(basename "$0")
program=$(realpath -m "${1:-${CARGO_TARGET_DIR:-target}/release/assumed}")
scratch=$(mktemp -d)
failed=0

skip() { # REASON
    echo "SKIPPED: $bed: $*"
    rm -rf "$scratch"
    exit 0
}

# Skips without root, without the program, or without a tool that Debian does not give.
needs() { # TOOL=PACKAGE...
    [ "$(id -u)" = 0 ] || skip "not root"
    [ -x "$program" ] || skip "no program at $program; cargo build --release makes it"
    installed "$@"
}

installed() { # TOOL=PACKAGE...
    local tool missing=()
    for tool; do
        command -v "${tool%=*}" >/dev/null || missing+=("${tool#*=}")
    done
    [ ${#missing[@]} != 0 ] || return 0
    command -v apt-get >/dev/null || skip "please install ${missing[*]}"
    { apt-get update -qq && apt-get install -qq -y --no-install-recommends "${missing[@]}"; } >"$scratch/apt" 2>&1 ||
        skip "${missing[*]} cannot be installed: $(tail -1 "$scratch/apt")"
}

check() { # FACT COMMAND...
    local fact=$1
    shift
    if "$@" >"$scratch/check" 2>&1; then
        printf 'ok      %s\n' "$fact"
    else
        printf 'FAILED  %s\n' "$fact"
        sed 's/^/        /' "$scratch/check" | tail -5
        failed=$((failed + 1))
    fi
}

not() { ! "$@"; }

within() { # SECONDS COMMAND...
    local limit=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$limit" ] || { "$@"; return 1; }
        sleep 0.1
    done
}

silent() { local said; said=$("$@" 2>&1) && [ -z "$said" ] || { echo "$said"; return 1; }; }

conclude() {
    echo "$bed: $failed failed"
    exit "$failed"
}
