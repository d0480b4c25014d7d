//! Which user is at the other end of a TCP connection.
//!
//! Linux answers this through `sock_diag(7)` for sockets of this network
//! namespace, without privileges. An answer that leaves any doubt is no answer.

mod address;
mod groups;
#[cfg(target_os = "linux")]
mod netlink;
#[cfg(target_os = "linux")]
pub mod route;
mod self_test;
#[cfg(target_os = "linux")]
pub mod socket;

use std::net::SocketAddr;

pub use groups::groups;
pub use self_test::lookup_error;

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// A process on this host, whose socket was created by the user with this uid.
    User(u32),
    /// The peer has an address of this host, but its user cannot be established.
    UnknownUser,
    /// Not a socket of this network namespace: another host, container or namespace.
    Elsewhere,
}

/// Looks up the user of the socket at `peer` that is connected to `local`.
///
/// Call it with both addresses of an accepted connection, as the kernel reports them, and check
/// afterwards that this connection is still open. While it is, no other socket can have completed
/// a handshake between the same two addresses; after a reset, another user's may have.
#[must_use]
pub fn look_up(peer: SocketAddr, local: SocketAddr) -> Peer {
    let (peer, local) = (canonical(peer), canonical(local));
    #[cfg(target_os = "linux")]
    return linux::look_up(&socket::Connection { peer, local });
    #[cfg(not(target_os = "linux"))]
    by_address(peer, local)
}

/// A socket for both families shows IPv4 peers under mapped addresses.
fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        ip @ std::net::IpAddr::V4(_) => SocketAddr::new(ip, address.port()),
        std::net::IpAddr::V6(_) => address,
    }
}

/// The answer if no user can be established and no routing table be asked.
fn by_address(peer: SocketAddr, local: SocketAddr) -> Peer {
    if is_surely_ours(peer, local) || address::can_be_bound(peer) {
        Peer::UnknownUser
    } else {
        Peer::Elsewhere
    }
}

fn is_surely_ours(peer: SocketAddr, local: SocketAddr) -> bool {
    peer.ip().is_loopback() || peer.ip() == local.ip()
}

#[cfg(target_os = "linux")]
mod linux {
    use std::net::SocketAddr;

    use super::route::{self, Route};
    use super::socket::{self, Connection, Verdict};
    use super::{Peer, by_address, is_surely_ours};

    /// The index of `lo` in every network namespace.
    const LOOPBACK: u32 = 1;

    pub(super) fn look_up(connection: &Connection) -> Peer {
        let Connection { peer, local } = *connection;
        let devices = usual_devices(peer);
        let verdict = socket::find(connection, devices.as_slice()).ok();
        match verdict {
            Some(Verdict::User(uid)) => return Peer::User(uid),
            Some(Verdict::Ambiguous) => return Peer::UnknownUser,
            Some(Verdict::Absent) | None => {}
        }
        match route::find(peer, scope(peer)) {
            Ok(Route::ThisHost(device)) => {
                let more = verdict.is_some() && !devices.contains(&device);
                let found = more.then(|| bound_to(connection, device)).flatten();
                found.map_or(Peer::UnknownUser, Peer::User)
            }
            Ok(Route::Elsewhere) if !is_surely_ours(peer, local) => Peer::Elsewhere,
            Ok(Route::Elsewhere) => Peer::UnknownUser,
            Err(_) => by_address(peer, local),
        }
    }

    /// Where nearly every socket is: bound to no device, to `lo`, or to the one that a
    /// link-local address is on.
    fn usual_devices(peer: SocketAddr) -> Vec<u32> {
        match scope(peer) {
            0 if peer.ip().is_loopback() => vec![0, LOOPBACK],
            scope => vec![scope],
        }
    }

    /// The user of a socket that is bound to the device which has the peer's address.
    ///
    /// Our packets to the peer arrive through that device, so a socket that is bound to another
    /// one never completed a handshake. Its own packets reach us only if our address is on the
    /// same device, or if the device is `lo`. A socket to which this does not apply talks to
    /// another server behind that device, which has our address there.
    fn bound_to(connection: &Connection, device: u32) -> Option<u32> {
        let reaches_us = device == LOOPBACK
            || matches!(route::find(connection.local, device), Ok(Route::ThisHost(on)) if on == device);
        let verdict = reaches_us.then(|| socket::find(connection, &[device]).ok()).flatten()?;
        match verdict {
            Verdict::User(uid) => Some(uid),
            Verdict::Ambiguous | Verdict::Absent => None,
        }
    }

    fn scope(address: SocketAddr) -> u32 {
        match address {
            SocketAddr::V4(_) => 0,
            SocketAddr::V6(address) => address.scope_id(),
        }
    }
}

#[cfg(test)]
mod tests;
