# shellcheck shell=bash
# An attacker who runs code in the daemon, or in a command that it runs, and one who reads the memory of a locked
# daemon. The daemon has a command configured, and its user has another program and files of its own.
[ "$(uname -m)" = x86_64 ] || { echo "SKIPPED: $bed: registers of x86_64 only"; exit 0; }

network site
chmod 755 "$scratch"
home=$scratch/home
mkdir -p "$home/.aws" "$home/tmp"

begin site sts.log "$program" demo --sts-only --sts-listen 127.0.0.1:4599
within 20 says sts.log AWS_SECRET_ACCESS_KEY
key_id=$(variable AWS_ACCESS_KEY_ID) key=$(variable AWS_SECRET_ACCESS_KEY)

# The user's other program, which has a secret, and its shell's settings.
ip netns exec "$bed$$-site" setpriv --reuid "$victim" --regid "$victim" --clear-groups env -i HUSH=hush-hush sleep 600 &
other=$!
disown "$other"
echo '# before' >"$home/.bashrc"
cp tests/beds/attempts.py "$scratch"
cat >"$home/tool" <<END
echo "\$(env | grep -c ^AWS_SECRET_ACCESS_KEY=)" >$home/tmp/keys-process
python3 -B $scratch/attempts.py $other \$(cat $home/tmp/daemon.pid) >$home/tmp/attempts 2>&1
echo '{"Version": 1, "AccessKeyId": "$key_id", "SecretAccessKey": "$key"}'
END
cat >"$home/hook" <<END
env | grep -c '^AWS_[A-Z_]*\(KEY\|TOKEN\)' >$home/tmp/keys-hook
ls -l /proc/self/fd | grep -c -- '->' >$home/tmp/descriptors-hook
END
cat >"$home/.aws/config" <<END
[profile dev]
role_arn = arn:aws:iam::123456789012:role/dev
source_profile = tool
region = eu-central-1
endpoint_url = http://127.0.0.1:4599
[profile tool]
credential_process = sh $home/tool
[profile code]
role_arn = arn:aws:iam::123456789012:role/dev
source_profile = me
mfa_serial = arn:aws:iam::123456789012:mfa/jane
eager = true
region = eu-central-1
endpoint_url = http://127.0.0.1:4599
END
printf '[me]\naws_access_key_id = %s\naws_secret_access_key = %s\n' "$key_id" "$key" >"$home/.aws/credentials"
cat >"$home/config.toml" <<END
roles = ["profile:dev", "profile:code"]
listen = ["127.0.0.1:1338"]
[events]
command = ["sh", "$home/hook"]
END
chown -R "$victim:$victim" "$home"
chmod 600 "$home/.aws/credentials" "$home/config.toml"

run() { # VERB...
    on site setpriv --reuid "$victim" --regid "$victim" --clear-groups env -i PATH=/usr/bin:/bin HOME="$home" \
        XDG_RUNTIME_DIR="$home" TMPDIR="$home/tmp" ASSUMED_CONTROL="$home/assumed/control.sock" "${variables[@]}" "$program" "$@"
}
variables=(AWS_ACCESS_KEY_ID=AKIAHUSH "AWS_SECRET_ACCESS_KEY=hush-hush-hush" "AWS_SESSION_TOKEN=hush" AWS_SECURITY_TOKEN=hush
    AWS_BEARER_TOKEN_BEDROCK=hush)
start() {
    rm -f "$scratch/daemon.log" "$home/tmp/daemon.pid"
    # A descriptor that the daemon's parent forgot to close.
    run run --config "$home/config.toml" --pid-file "$home/tmp/daemon.pid" 7<"$home/.aws/credentials" >"$scratch/daemon.log" 2>&1 &
    within 20 says daemon.log rotated || { cat "$scratch/daemon.log"; exit 1; }
    daemon=$(cat "$home/tmp/daemon.pid")
}
start
within 20 test -s "$home/tmp/descriptors-hook"

# --- code in the daemon ---

denied() { python3 -B tests/beds/inject.py "$daemon" "$@"; }
newuser=0x10000000 at_cwd=-100 write_create=0x441
check "daemon: traces no other program" denied ptrace 16 "$other" 0 0
check "daemon: reads no other program's memory" denied process_vm_readv "$other" 0 0 0 0 0
check "daemon: nor by /proc" denied openat $at_cwd "/proc/$other/mem" 0 0
check "daemon: reads no other program's environment" denied openat $at_cwd "/proc/$other/environ" 0 0
check "daemon: signals no other program" denied kill "$other" 0
check "daemon: forks into no user namespace" denied clone $((newuser | 17)) 0 0 0 0
check "daemon: nor by clone3" denied clone3 0 0
check "daemon: gets no user namespace" denied unshare $newuser
check "daemon: enters no namespace" denied setns 0 0
check "daemon: changes no root" denied chroot /
check "daemon: mounts nothing" denied mount none / tmpfs 0 0
check "daemon: has no ring of its own" denied io_uring_setup 1 0
check "daemon: alters nothing of its user's" denied openat $at_cwd "$home/.bashrc" $write_create 384
check "daemon: makes nothing of its user's" denied openat $at_cwd "$home/.profile" $write_create 384
check "daemon: loads nothing into the kernel" denied bpf 5 0 0
check "daemon: samples nothing" denied perf_event_open 0 0 -1 -1 0
check "daemon: has no use of the keyring" denied add_key user a b 1 -3
check "daemon: sends no packets of its own making" denied socket 17 3 0
check "daemon: types into no terminal" denied ioctl 0 0x100005412 x
check "daemon: lets nobody trace it" denied prctl 4 1 0 0 0
check "daemon: starts no process" denied clone 17 0 0 0 0
check "daemon: starts no program" denied execve /bin/true 0 0
check "daemon: serves on, and says what was tried" says daemon.log 'call="?execve'

# --- a command of the daemon's ---

[ -d "/proc/$daemon" ] || start
refused() { # ATTEMPT
    grep -x "$1 refused" "$home/tmp/attempts" || { grep "^$1 " "$home/tmp/attempts" || tail -3 "$home/tmp/attempts"; return 1; }
}
for attempt in descriptors unshare setns clone clone3 chroot io_uring_setup ptrace process_vm_readv bpf add_key \
    other-mem other-environ daemon-mem daemon-environ helper-mem type; do
    check "command: $attempt" refused "$attempt"
done
is_in() { grep -x -- "$1" "$2" || { cat "$2"; return 1; }; }
check "hook: no key of the daemon's environment" is_in 0 "$home/tmp/keys-hook"
# Standard input, output and error, and the listing itself.
check "hook: no descriptor of the daemon's" is_in 4 "$home/tmp/descriptors-hook"
check "credential_process: the keys that the AWS CLI would hand on" is_in 1 "$home/tmp/keys-process"

# --- the memory of a locked daemon ---

environment_is_clean() { ! tr '\0' '\n' <"/proc/$daemon/environ" | grep -E '^AWS_[A-Z_]*(KEY|TOKEN)[A-Z_]*=.'; }
memory_is_clean() { python3 -B tests/beds/memory.py "$1" "$key" '++++////' '<SecretAccessKey>' hush-hush-hush; }
check "the daemon's environment has no key" environment_is_clean
on site python3 -B tests/beds/client.py 127.0.0.1:1338 >/dev/null
check "served: there is something to be found" not memory_is_clean "$daemon"
run lock >"$scratch/lock" 2>&1
check "locked: nothing of it is left in memory" within 5 memory_is_clean "$daemon"
for helper in $(cat "/proc/$daemon/task/$daemon/children"); do
    check "locked: nor in the helper's" memory_is_clean "$helper"
done

kill "$daemon" "$other"
gone() { ! kill -0 "$daemon" && ! kill -0 "$other"; }
within 10 gone
