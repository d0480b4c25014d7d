//! The socket at the other end of a connection, as `sock_diag(7)` reports it.
//!
//! Numbers and layouts are those of `linux/sock_diag.h` and `linux/inet_diag.h`. The kernel
//! looks in its table of connections first and then among the listening sockets, so what it
//! returns may be unrelated: a socket counts only if it has both addresses that were asked
//! for, is connected, and still belongs to a process.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use rustix::net::netlink::SOCK_DIAG;

use super::netlink::{self, Message, u32_at};

/// `SOCK_DIAG_BY_FAMILY`.
const BY_FAMILY: u16 = 20;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const TCP: u8 = 6;
/// `ENOENT`: there is no such socket.
const NO_SOCKET: i32 = 2;

/// `TCP_ESTABLISHED`, and `TCP_FIN_WAIT1` and `TCP_FIN_WAIT2`: a client may shut down its side
/// after the request. In any other state the peer is not waiting for our answer.
const CONNECTED: [u8; 3] = [1, 4, 5];

/// Offsets in `inet_diag_msg`.
const STATE: usize = 1;
const PORTS: usize = 4;
const ADDRESSES: usize = 8;
const DEVICE: usize = 40;
const UID: usize = 64;
const INODE: usize = 68;

/// The two ends of a connection. IPv4 addresses are never written as mapped IPv6 addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connection {
    /// The address of the socket that is looked for.
    pub peer: SocketAddr,
    /// The address that it is connected to.
    pub local: SocketAddr,
}

/// What the kernel's replies amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Every socket that was found belongs to this user.
    User(u32),
    /// There are sockets of different users.
    Ambiguous,
    /// There is no such socket.
    Absent,
}

impl Verdict {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (one, Self::Absent) | (Self::Absent, one) => one,
            (one, other) if one == other => one,
            _ => Self::Ambiguous,
        }
    }
}

/// Asks for sockets that are bound to no device, or to one of `devices`: interface indexes,
/// 0 for none.
///
/// # Errors
/// If the kernel cannot be asked, or its reply cannot be understood.
pub(super) fn find(connection: &Connection, devices: &[u32]) -> io::Result<Verdict> {
    let questions: Vec<_> =
        (1..).zip(devices).map(|(n, device)| question(connection, n, *device)).collect();
    let replies = netlink::ask(Some(SOCK_DIAG), &questions)?;
    verdict(&replies, connection, devices).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// `nlmsghdr` and `inet_diag_req_v2`, for any state and without a cookie.
fn question(connection: &Connection, sequence: u32, device: u32) -> Vec<u8> {
    let Connection { peer, local } = connection;
    let family = if peer.is_ipv4() { AF_INET } else { AF_INET6 };
    let mut body = vec![family, TCP, 0, 0];
    body.extend(u32::MAX.to_ne_bytes());
    body.extend(peer.port().to_be_bytes());
    body.extend(local.port().to_be_bytes());
    body.extend(address_bytes(peer.ip()));
    body.extend(address_bytes(local.ip()));
    body.extend(device.to_ne_bytes());
    body.extend([0xff; 8]);
    netlink::message(BY_FAMILY, sequence, &body)
}

fn address_bytes(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }
        IpAddr::V6(ip) => ip.octets(),
    }
}

/// What the replies to the questions about `devices` say; `None` unless each question was
/// answered once, by a whole message about a socket or by "no such socket".
#[must_use]
pub fn verdict(replies: &[u8], connection: &Connection, devices: &[u32]) -> Option<Verdict> {
    let mut verdict = Verdict::Absent;
    let mut messages = netlink::messages(replies);
    for (sequence, device) in (1..).zip(devices) {
        let message = messages.next().filter(|message| message.sequence == sequence)?;
        verdict = verdict.and(answer(&message, connection, *device)?);
    }
    messages.next().is_none().then_some(verdict)
}

/// What one answer says.
fn answer(message: &Message<'_>, connection: &Connection, device: u32) -> Option<Verdict> {
    if let Some(errno) = message.errno() {
        return (errno == NO_SOCKET).then_some(Verdict::Absent);
    }
    let socket = (message.kind == BY_FAMILY).then(|| Socket::parse(message.body)).flatten()?;
    let is_peer = socket.is_peer(connection, device);
    Some(if is_peer { Verdict::User(socket.uid) } else { Verdict::Absent })
}

/// The parts of `inet_diag_msg` that matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Socket {
    state: u8,
    own: SocketAddr,
    other: SocketAddr,
    device: u32,
    uid: u32,
    inode: u32,
}

impl Socket {
    fn parse(body: &[u8]) -> Option<Self> {
        Some(Self {
            state: *body.get(STATE)?,
            own: Self::address(body, 0)?,
            other: Self::address(body, 1)?,
            device: u32_at(body, DEVICE)?,
            uid: u32_at(body, UID)?,
            inode: u32_at(body, INODE)?,
        })
    }

    /// The own address (0) or the other one (1).
    fn address(body: &[u8], index: usize) -> Option<SocketAddr> {
        let port = u16::from_be_bytes(*body.get(PORTS + 2 * index..)?.first_chunk()?);
        let bytes = body.get(ADDRESSES + 16 * index..)?;
        let ip = match *body.first()? {
            AF_INET => IpAddr::V4(Ipv4Addr::from(*bytes.first_chunk::<4>()?)),
            AF_INET6 => Ipv6Addr::from(*bytes.first_chunk::<16>()?).to_canonical(),
            _ => return None,
        };
        Some(SocketAddr::new(ip, port))
    }

    fn is_peer(&self, connection: &Connection, device: u32) -> bool {
        let same = |a: SocketAddr, b: SocketAddr| (a.ip(), a.port()) == (b.ip(), b.port());
        CONNECTED.contains(&self.state)
            && same(self.own, connection.peer)
            && same(self.other, connection.local)
            && (self.device == 0 || self.device == device)
            // A socket that its process has closed has no inode, and its uid reads as 0.
            && self.inode != 0
    }
}
