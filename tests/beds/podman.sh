# shellcheck shell=bash
# Podman with nothing of this machine's, sourced after common.sh: networks, mounts,
# processes, images and firewall rules of its own, which all end with the bed.

cache=${XDG_CACHE_HOME:-$HOME/.cache}/assumed

inside() { nsenter -t "$enclosure" -m -n -p --wd="$PWD" -- "$@"; }

end_enclosure() {
    [ -z "${enclosure:-}" ] || kill -KILL "$enclosure" 2>/dev/null || true
    local groups
    # What containers were counted by is not in a namespace.
    for groups in /sys/fs/cgroup/*/libpod_parent; do
        [ ! -d "$groups" ] || find "$groups" -depth -type d -exec rmdir {} + 2>/dev/null || true
    done
    rm -rf "$scratch" 2>/dev/null || { sleep 0.5; rm -rf "$scratch"; }
}

# Everything that comes from elsewhere has to be at hand before: there is no way out.
enclose() {
    trap end_enclosure EXIT
    unshare --net --mount --propagation private --pid --fork --kill-child=KILL --mount-proc sleep infinity \
        </dev/null >/dev/null 2>&1 &
    local outer=$!
    disown
    within 5 grep -q . "/proc/$outer/task/$outer/children"
    enclosure=$(awk '{ print $1 }' "/proc/$outer/task/$outer/children")
    within 5 inside true
    inside bash -euo pipefail -s <<'S'
ip link set lo up
# crun refuses a layout with controllers of both versions, and then takes the first alone.
if [ -d /sys/fs/cgroup/unified ]; then umount /sys/fs/cgroup/unified; fi
mkdir -p /run/netns /run/containers /run/libpod /var/lib/containers
for directory in /run/netns /run/containers /run/libpod /var/lib/containers; do
    mount -t tmpfs none "$directory"
done
S
    # Without CAP_SYS_RESOURCE no limit can be raised, and podman itself lowers this one first.
    local files processes most
    files=$(ulimit -Hn) processes=$(ulimit -Hu) most=$(cat /proc/sys/kernel/pid_max)
    { [ "$processes" != unlimited ] && [ "$processes" -le "$most" ]; } || processes=$most
    cat >"$scratch/containers.conf" <<F
[containers]
default_ulimits = ["nofile=$files:$files", "nproc=$processes:$processes"]
[engine]
runtime = "crun"
cgroup_manager = "cgroupfs"
events_logger = "file"
infra_image = "localhost/pause:1"
[network]
network_backend = "netavark"
network_config_dir = "/run/containers/networks"
firewall_driver = "iptables"
F
    export CONTAINERS_CONF=$scratch/containers.conf BUILDAH_ISOLATION=chroot
}

# A client's image: this machine's Python and boto3, on nothing.
client_context() {
    client=$cache/boto3-$boto3
    [ ! -e "$client/Containerfile" ] || return 0
    rm -rf "$client"
    mkdir -p "$client/root"
    python3 -m venv "$scratch/venv" && "$scratch/venv/bin/pip" -q --disable-pip-version-check \
        install --target "$client/root/packages" "boto3==$boto3" || return 1
    local python library parts
    python=$(python3 -c 'import os, sys; print(os.path.realpath(sys.executable))')
    library=$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')
    mapfile -t parts < <(ldd "$python" "$library"/lib-dynload/*.so | grep -oE '/[^ :]+\.so[^ :]*' | grep -v lib-dynload | sort -u)
    local unused=(site-packages dist-packages __pycache__ test 'config-*' ensurepip idlelib lib2to3 pydoc_data tkinter '*.a')
    tar -C / -chf - "${unused[@]/#/--exclude=}" --ignore-failed-read "${parts[@]}" "$python" "$library" 2>/dev/null |
        tar -C "$client/root" -xf -
    cat >"$client/Containerfile" <<F
FROM scratch
COPY root/ /
ENV PYTHONPATH=/packages PYTHONDONTWRITEBYTECODE=1
ENTRYPOINT ["$python"]
F
}

# Commands from PyPI, kept for the next time.
commands() { # PACKAGE==VERSION...
    local kept
    kept=$cache/commands-$(printf '%s' "$@" | md5sum | cut -c1-8)
    PATH=$kept/bin:$PATH
    [ ! -e "$kept/whole" ] || return 0
    rm -rf "$kept"
    python3 -m venv "$kept" && "$kept/bin/pip" -q --disable-pip-version-check install "$@" && touch "$kept/whole"
}

# A command that builds manifests, in $manifest; from Go's modules where there is none.
manifest_builder() {
    if command -v kubectl >/dev/null; then
        manifest=(kubectl kustomize)
        return
    fi
    PATH=$PATH:$cache/bin
    command -v kustomize >/dev/null || GOFLAGS=-modcacherw GOBIN=$cache/bin \
        go install sigs.k8s.io/kustomize/kustomize/v5@v5.6.0 >/dev/null 2>&1 || return 1
    manifest=(kustomize build)
}
