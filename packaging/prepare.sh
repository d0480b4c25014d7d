# shellcheck shell=bash
# Sourced by the scripts that build packages. Puts the program, its completions and the
# licenses of its crates into $prepared.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
target=${CARGO_TARGET_DIR:-$root/target}
prepared=$target/release/packaging

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
released=$(sed -n "s/^## \[$version\] - //p" CHANGELOG.md)
# For reproducible builds, all dates are that of the release, or of the commit.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(date -u -d "${released:-@$(git log -1 --format=%ct)}" +%s)}
export SOURCE_DATE_EPOCH

prepare() { # [PROGRAM]: builds one if missing
    rm -rf "$prepared"
    mkdir -p "$prepared"
    if [ -n "${1:-}" ]; then
        install -m755 "$1" "$prepared/assumed"
    else
        cargo build --locked --release
        install -m755 "$target/release/assumed" "$prepared/assumed"
    fi
    local shell
    for shell in bash zsh fish; do
        "$prepared/assumed" completions "$shell" >"$prepared/assumed.$shell"
    done
    python3 -B packaging/third-party.py >"$prepared/THIRD-PARTY"
}
