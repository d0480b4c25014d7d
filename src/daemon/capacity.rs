//! How many connections fit into the open files that this process may have.
//!
//! What is not for connections of listeners is for everything that must work while these are all
//! taken: the control socket, calls to STS and to issuers, commands, files, the log.

use tracing::warn;

use crate::config::Listen;
use crate::sys::hardening;

/// Descriptors that open connections of listeners never take: 208 connections of the control socket
/// with a pidfd each, 64 attempts at once with a name look-up and some pipes each, sockets, files,
/// and connections that are being closed, of which each listener has 128 at most.
const RESERVED: u64 = 1024;
/// A connection from another host has a second descriptor, to set its hop limit.
const PER_CONNECTION: u64 = 2;
/// Descriptors to have at least, so that a reload can add listeners.
const USUAL: u64 = 4096;

/// Has the limit of open files raised as far as these listeners need it and the system allows it.
pub(super) fn raise_limit(listen: &[Listen]) {
    hardening::raise_descriptor_limit(needed(listen).max(USUAL));
}

/// Connections of all listeners together.
pub(super) fn connections() -> usize {
    fitting(hardening::descriptor_limit())
}

/// Logs that the limit of open files is too low for what the settings say.
pub(super) fn warn_of_shortage(listen: &Listen) {
    let (wanted, limit) = (listen.max_connections, connections());
    if limit < wanted && wanted != Listen::default().max_connections {
        let needed = needed(std::slice::from_ref(listen));
        warn!(
            event = "connection_limit",
            listener = %listen.address,
            wanted,
            limit,
            hint = format!("LimitNOFILE={needed} in the unit, or `ulimit -n {needed}`, allows more"),
            "max_connections is more than the limit of open files allows"
        );
    }
}

fn needed(listen: &[Listen]) -> u64 {
    let connections = listen.iter().map(|listen| listen.max_connections).sum::<usize>();
    u64::try_from(connections)
        .unwrap_or(u64::MAX)
        .saturating_mul(PER_CONNECTION)
        .saturating_add(RESERVED)
}

/// A process that may have few files open keeps half of them for the rest.
fn fitting(limit: u64) -> usize {
    let free = limit.saturating_sub(RESERVED).max(limit / 2);
    usize::try_from(free / PER_CONNECTION).unwrap_or(usize::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_for_everything_else() {
        assert_eq!(fitting(4096), 1536);
        assert_eq!(fitting(1024), 256);
        assert_eq!(fitting(256), 64, "half of them");
        assert!(fitting(0) == 1 && fitting(u64::MAX) > 1 << 32);
    }

    #[test]
    fn each_listener_needs_what_its_connections_take() {
        let listen = [Listen::default(), Listen { max_connections: 100, ..Listen::default() }];
        assert_eq!(needed(&listen), 2 * 1124 + 1024);
        assert_eq!(needed(&[]), 1024);
    }
}
