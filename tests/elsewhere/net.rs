//! Hosts of their own for one test: network namespaces, gone when it ends.
//!
//! ```text
//! near ---- imds ---- router ---- far
//!             |
//!          stranger
//! ```

use std::fs::{self, File};
use std::os::fd::AsFd as _;
use std::process::{Command, Stdio};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::common::program::Daemon;

/// Tells a test that it runs in namespaces of its own.
const INSIDE: &str = "ASSUMED_TEST_NETWORK";

/// Runs `work` where it can make namespaces; a test that calls this is run twice, the second
/// time inside. Says why where that cannot be.
pub(super) fn isolated(test: &str, work: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return work();
    }
    if let Err(reason) = possible() {
        eprintln!("skipped: {test}: {reason}");
        return;
    }
    let mut command = unshare();
    command.arg(std::env::current_exe().unwrap()).args(["--exact", test, "--nocapture"]);
    command.env(INSIDE, "1").stdout(Stdio::piped()).stderr(Stdio::piped());
    let ended = Daemon::start(command).wait();
    assert!(ended.status.success(), "{}\n{}", ended.stdout, ended.stderr);
}

/// All that is made inside is gone with the first process inside.
fn unshare() -> Command {
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--net", "--mount", "--pid", "--fork", "--kill-child"]);
    // Where ip(8) keeps its names; the real one stays as it is.
    command.args(["sh", "-c", "mount -t tmpfs tmpfs /run && exec \"$0\" \"$@\""]);
    command.stdin(Stdio::null());
    command
}

fn possible() -> Result<(), String> {
    let mut probe = unshare();
    let script = "ip netns add a && ip netns exec a sysctl -qw net.ipv4.ip_forward=1";
    let output = probe.args(["sh", "-c", script]).output();
    let output = output.map_err(|error| format!("unshare: {error}"))?;
    let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if output.status.success() { Ok(()) } else { Err(reason) }
}

/// Runs `work` on one of the hosts; what it starts stays there.
pub(super) fn on<T: Send>(host: &str, work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let there = scope.spawn(|| {
            let namespace = File::open(format!("/run/netns/{host}")).unwrap();
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            work()
        });
        there.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Makes the hosts, with IPv4 and IPv6, and the metadata addresses on `imds`.
pub(super) fn lay() {
    for host in ["imds", "near", "router", "far", "stranger"] {
        ip(&format!("netns add {host}"));
        ip(&format!("-n {host} link set lo up"));
    }
    ip("-n imds addr add 169.254.169.254/32 dev lo");
    ip("-n imds addr add fd00:ec2::254/128 dev lo nodad");
    link(1, "imds", "near");
    link(2, "imds", "router");
    link(3, "router", "far");
    link(4, "imds", "stranger");
    for (host, net) in [("near", 1), ("router", 2), ("far", 3), ("stranger", 4)] {
        ip(&format!("-n {host} route add default via 10.201.{net}.1"));
        ip(&format!("-n {host} route add default via fd01:{net}::1"));
    }
    ip("-n imds route add 10.201.3.0/24 via 10.201.2.2");
    ip("-n imds route add fd01:3::/64 via fd01:2::2");
    for name in ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"] {
        on("router", || fs::write(format!("/proc/sys/{name}"), "1").unwrap());
    }
}

/// A cable: `one` has the first address on it, `other` the second.
fn link(net: u8, one: &str, other: &str) {
    let (here, there) = (format!("to-{other}"), format!("to-{one}"));
    ip(&format!("link add {here} netns {one} type veth peer name {there} netns {other}"));
    for (host, device, number) in [(one, here, 1), (other, there, 2)] {
        ip(&format!("-n {host} addr add 10.201.{net}.{number}/24 dev {device}"));
        ip(&format!("-n {host} addr add fd01:{net}::{number}/64 dev {device} nodad"));
        ip(&format!("-n {host} link set {device} up"));
    }
}

fn ip(arguments: &str) {
    let output = Command::new("ip").args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

/// How many packets the router has dropped because they had travelled far enough.
pub(super) fn dropped_by_router() -> u64 {
    on("router", || v4_header_errors() + v6_header_errors())
}

fn v4_header_errors() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/net/snmp").unwrap();
    let mut rows = text.lines().filter_map(|line| line.strip_prefix("Ip: "));
    let (names, values) = (rows.next().unwrap(), rows.next().unwrap());
    let place = names.split(' ').position(|name| name == "InHdrErrors").unwrap();
    values.split(' ').nth(place).unwrap().parse().unwrap()
}

fn v6_header_errors() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/net/snmp6").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("Ip6InHdrErrors")).unwrap();
    line.trim().parse().unwrap()
}
