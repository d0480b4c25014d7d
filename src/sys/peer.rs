//! Whose program is at the other end of a TCP connection on this host.
//!
//! The kernel tells through `sock_diag(7)`, to anybody and for each socket of
//! this network namespace.

use std::fs;
use std::net::SocketAddr;

/// The user at the other end, and all groups of that user; `None` where the kernel knows no such
/// socket: it belongs to another host or namespace, or is closed already.
#[must_use]
pub fn user(peer: SocketAddr, local: SocketAddr) -> Option<(u32, Vec<u32>)> {
    let uid = diagnosis::owner(canonical(peer), canonical(local))?;
    Some((uid, groups(uid)))
}

/// Why users cannot be told apart here, if they cannot.
#[must_use]
pub fn blindness() -> Option<String> {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    if is_partial(&map) {
        return Some("in this user namespace other users are nobody".to_owned());
    }
    diagnosis::check().err().map(|error| format!("the kernel does not tell: {error}"))
}

/// A map of a user namespace that does not have every user under its own number.
fn is_partial(map: &str) -> bool {
    !map.is_empty() && !map.split_whitespace().eq(["0", "0", "4294967295"])
}

/// A socket for both families shows IPv4 peers under mapped addresses.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// By the files of the user database, the primary one first.
fn groups(uid: u32) -> Vec<u32> {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    groups_in(&read("/etc/passwd"), &read("/etc/group"), uid)
}

fn groups_in(passwd: &str, group: &str, uid: u32) -> Vec<u32> {
    let of_user = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let is_it = fields.nth(1)?.parse() == Ok(uid);
        is_it.then(|| Some((name, fields.next()?.parse::<u32>().ok()?)))?
    });
    let Some((name, primary)) = of_user else { return Vec::new() };
    let others = group.lines().filter_map(|line| {
        let mut fields = line.split(':').skip(2);
        let gid = fields.next()?.parse().ok()?;
        fields.next()?.split(',').any(|member| member == name).then_some(gid)
    });
    std::iter::once(primary).chain(others).collect()
}

#[cfg(not(target_os = "linux"))]
mod diagnosis {
    use std::io;
    use std::net::SocketAddr;

    pub(super) fn check() -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Nothing tells.
    pub(super) fn owner(_: SocketAddr, _: SocketAddr) -> Option<u32> {
        None
    }
}

#[cfg(target_os = "linux")]
mod diagnosis {
    use std::io;
    use std::net::{IpAddr, SocketAddr};
    use std::os::fd::OwnedFd;

    use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
    use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
    use rustix::net::{ipproto, recv, sendto, socket_with};

    /// Numbers of `linux/sock_diag.h` and `linux/inet_diag.h`.
    const BY_FAMILY: u16 = 20;
    const REQUEST: u16 = 1;
    const HEADER: usize = 16;
    const UID: usize = HEADER + 64;
    const INODE: usize = UID + 4;

    /// The owner of the socket whose own address is `own`, connected to `other`.
    pub(super) fn owner(own: SocketAddr, other: SocketAddr) -> Option<u32> {
        let reply = ask(&question(own, other)).ok()?;
        let number =
            |at: usize| reply.get(at..)?.first_chunk().map(|four| u32::from_ne_bytes(*four));
        let kind = reply.get(4..6)?.first_chunk().map(|two| u16::from_ne_bytes(*two))?;
        // What its program has closed has no owner, and says that root is one.
        (kind == BY_FAMILY && number(INODE)? != 0).then(|| number(UID))?
    }

    /// Whether it can be asked at all.
    pub(super) fn check() -> io::Result<()> {
        open().map(drop)
    }

    fn open() -> io::Result<OwnedFd> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        Ok(socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(SOCK_DIAG))?)
    }

    fn ask(question: &[u8]) -> io::Result<Vec<u8>> {
        let socket = open()?;
        sendto(&socket, question, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
        // The kernel has answered when the question is sent.
        let mut reply = vec![0; 512];
        let (length, _) = recv(&socket, reply.as_mut_slice(), RecvFlags::empty())?;
        reply.truncate(length);
        Ok(reply)
    }

    /// `nlmsghdr` and `inet_diag_req_v2`, about one socket.
    fn question(own: SocketAddr, other: SocketAddr) -> Vec<u8> {
        let family = if own.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let [family, protocol] = [family.as_raw().into(), ipproto::TCP.as_raw().get()]
            .map(|number: u32| u8::try_from(number).unwrap_or_default());
        let mut body = vec![family, protocol, 0, 0];
        body.extend(u32::MAX.to_ne_bytes());
        body.extend(own.port().to_be_bytes());
        body.extend(other.port().to_be_bytes());
        for address in [own.ip(), other.ip()] {
            let mut bytes = [0; 16];
            match address {
                IpAddr::V4(ip) => bytes[..4].copy_from_slice(&ip.octets()),
                IpAddr::V6(ip) => bytes = ip.octets(),
            }
            body.extend(bytes);
        }
        // Any interface, and no cookie.
        body.extend([0; 4]);
        body.extend([0xff; 8]);
        let length = u32::try_from(HEADER + body.len()).unwrap_or_default();
        let mut message = length.to_ne_bytes().to_vec();
        message.extend(BY_FAMILY.to_ne_bytes());
        message.extend(REQUEST.to_ne_bytes());
        message.extend([0; 8]);
        message.extend(body);
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn the_kernel_tells_who_is_at_the_other_end_while_he_is_there() {
        use std::net::{TcpListener, TcpStream};

        for address in ["127.0.0.1:0", "[::1]:0", "[::]:0"] {
            let Ok(listener) = TcpListener::bind(address) else { continue };
            let port = listener.local_addr().unwrap().port();
            let host = if address.starts_with("[::1]") { "::1" } else { "127.0.0.1" };
            let client = TcpStream::connect((host, port)).unwrap();
            let (stream, peer) = listener.accept().unwrap();
            let local = stream.local_addr().unwrap();
            let own = rustix::process::getuid().as_raw();
            assert_eq!(user(peer, local).map(|(uid, _)| uid), Some(own), "{address}");
            drop(client);
            assert_eq!(user(peer, local), None, "{address}: closed");
            let nobody = SocketAddr::new(peer.ip(), 1);
            assert_eq!(user(nobody, local), None, "{address}: never there");
        }
    }

    #[test]
    fn a_namespace_without_all_users_is_known() {
        assert!(!is_partial("         0          0 4294967295\n") && !is_partial(""));
        assert!(is_partial("         0       1000          1\n"));
        assert!(is_partial("0 0 1000\n1000 1000 4294966295\n"), "what systemd makes of it");
    }

    #[test]
    fn the_groups_of_a_user_are_the_primary_one_and_those_that_list_it() {
        let passwd = "root:x:0:0::/root:/bin/sh\njane:x:1000:100::/home/jane:/bin/sh\nbroken\n";
        let group = "users:x:100:\naws:x:7:joe,jane\nmary:x:8:janet\nbroken:x\nwheel:x:10:jane\n";
        assert_eq!(groups_in(passwd, group, 1000), [100, 7, 10]);
        assert_eq!(groups_in(passwd, group, 0), [0]);
        assert!(groups_in(passwd, group, 4711).is_empty());
    }
}
