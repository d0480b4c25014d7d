//! rtnetlink(7), as far as addresses go: add, remove, list.
//!
//! By hand: three messages of one header and two attributes, where the crates
//! for it bring an asynchronous stack. Numbers are those of linux/rtnetlink.h.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::net::{bind, netdevice, recv, sendto, socket_with};

use super::Place;

const NEW: u16 = 20;
const DELETE: u16 = 21;
const GET: u16 = 22;
const ERROR: u16 = 2;
const DONE: u16 = 3;

const REQUEST: u16 = 0x1;
const ACK: u16 = 0x4;
const DUMP: u16 = 0x300;
const CREATE_ONLY: u16 = 0x600;

/// `IFA_ADDRESS`; on an interface that is no tunnel, the same as `IFA_LOCAL`.
const ADDRESS: u16 = 1;
const LOCAL: u16 = 2;
/// Never chosen as a source for other hosts, nor announced to them.
const SCOPE_HOST: u8 = 254;
/// Without a second of waiting for a duplicate, which `lo` cannot have.
const NO_DUPLICATE_CHECK: u8 = 0x02;

/// Of `nlmsghdr` and of `ifaddrmsg`.
const HEADER: usize = 16;
const BODY: usize = 8;

/// An interface of this machine.
#[derive(Debug)]
pub struct Interface {
    socket: OwnedFd,
    index: u32,
}

impl Interface {
    /// The one of this name.
    ///
    /// # Errors
    /// Where there is none.
    pub fn named(name: &str) -> io::Result<Self> {
        let socket = open()?;
        let any = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None)?;
        let index = netdevice::name_to_index(any, name)?;
        Ok(Self { socket, index })
    }

    /// Adds an address for this host alone; false where it is there already.
    ///
    /// # Errors
    /// Where the kernel refuses: it takes `CAP_NET_ADMIN`.
    pub fn add(&self, address: IpAddr) -> io::Result<bool> {
        self.change(NEW, CREATE_ONLY, address, Errno::EXIST)
    }

    /// Removes an address; false where it is not there.
    ///
    /// # Errors
    /// Where the kernel refuses: it takes `CAP_NET_ADMIN`.
    pub fn remove(&self, address: IpAddr) -> io::Result<bool> {
        self.change(DELETE, 0, address, Errno::ADDRNOTAVAIL)
    }

    fn change(&self, kind: u16, flags: u16, address: IpAddr, same: Errno) -> io::Result<bool> {
        send(&self.socket, &message(kind, REQUEST | ACK | flags, address, self.index))?;
        let mut buffer = [0; 4096];
        let (length, _) = recv(&self.socket, &mut buffer, RecvFlags::empty())?;
        let reply = buffer.get(..length).unwrap_or_default();
        let verdict = parts(reply).find(|part| part.kind == ERROR).map(|part| part.errno());
        match verdict.flatten() {
            Some(0) => Ok(true),
            Some(number) if number == same.raw_os_error() => Ok(false),
            Some(number) => Err(io::Error::from_raw_os_error(number)),
            None => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

pub(super) fn addresses() -> io::Result<Vec<Place>> {
    let socket = open()?;
    let any = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None)?;
    send(&socket, &message(GET, REQUEST | DUMP, Ipv4Addr::UNSPECIFIED.into(), 0))?;
    let mut found = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let (length, _) = recv(&socket, buffer.as_mut_slice(), RecvFlags::empty())?;
        for part in parts(buffer.get(..length).unwrap_or_default()) {
            match part.kind {
                NEW => found.extend(part.address()),
                DONE => {
                    // One that has gone meanwhile has no name, and no address.
                    let named = found.into_iter().filter_map(|(address, index)| {
                        let interface = netdevice::index_to_name(&any, index).ok()?;
                        Some(Place { address, interface })
                    });
                    return Ok(named.collect());
                }
                ERROR => {
                    return Err(io::Error::from_raw_os_error(part.errno().unwrap_or_default()));
                }
                _ => {}
            }
        }
    }
}

fn open() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC;
    // No protocol means 0, which is NETLINK_ROUTE.
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
    bind(&socket, &SocketAddrNetlink::new(0, 0))?;
    Ok(socket)
}

fn send(socket: &OwnedFd, message: &[u8]) -> io::Result<()> {
    sendto(socket, message, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    Ok(())
}

/// One message about one address; of a list, the unspecified one asks for all families.
fn message(kind: u16, flags: u16, address: IpAddr, index: u32) -> Vec<u8> {
    let (family, bytes) = match address {
        IpAddr::V4(ip) if ip.is_unspecified() => (AddressFamily::UNSPEC, Vec::new()),
        IpAddr::V4(ip) => (AddressFamily::INET, ip.octets().to_vec()),
        IpAddr::V6(ip) => (AddressFamily::INET6, ip.octets().to_vec()),
    };
    let bits = u8::try_from(bytes.len() * 8).unwrap_or_default();
    let family = u8::try_from(family.as_raw()).unwrap_or_default();
    let mut body = vec![family, bits, NO_DUPLICATE_CHECK, SCOPE_HOST];
    body.extend(index.to_ne_bytes());
    if !bytes.is_empty() {
        for attribute in [LOCAL, ADDRESS] {
            let length = u16::try_from(4 + bytes.len()).unwrap_or_default();
            body.extend(length.to_ne_bytes());
            body.extend(attribute.to_ne_bytes());
            body.extend(&bytes);
        }
    }
    let length = u32::try_from(HEADER + body.len()).unwrap_or_default();
    let mut message = length.to_ne_bytes().to_vec();
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    // A sequence number and a port: one question at a time needs neither.
    message.extend([0; 8]);
    message.extend(body);
    message
}

/// One message of a reply.
struct Part<'a> {
    kind: u16,
    body: &'a [u8],
}

impl Part<'_> {
    /// What an acknowledgement says: 0, or an errno.
    fn errno(&self) -> Option<i32> {
        let number = self.body.first_chunk().map(|bytes| i32::from_ne_bytes(*bytes))?;
        Some(number.saturating_neg())
    }

    /// The address, and the index of its interface.
    fn address(&self) -> Option<(IpAddr, u32)> {
        let index = self.body.get(4..BODY)?.first_chunk().map(|four| u32::from_ne_bytes(*four))?;
        let mut rest = self.body.get(BODY..)?;
        let mut found = None;
        while let Some((kind, value)) = attribute(&mut rest) {
            // A tunnel's own end is LOCAL, its peer's ADDRESS.
            if kind == LOCAL || (kind == ADDRESS && found.is_none()) {
                found = ip(value).or(found);
            }
        }
        Some((found?, index))
    }
}

fn attribute<'a>(rest: &mut &'a [u8]) -> Option<(u16, &'a [u8])> {
    let length = rest.first_chunk().map(|two| usize::from(u16::from_ne_bytes(*two)))?;
    let kind = rest.get(2..4)?.first_chunk().map(|two| u16::from_ne_bytes(*two))?;
    let value = rest.get(4..length)?;
    *rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    Some((kind, value))
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => bytes.first_chunk().map(|four| Ipv4Addr::from(*four).into()),
        16 => bytes.first_chunk().map(|sixteen| Ipv6Addr::from(*sixteen).into()),
        _ => None,
    }
}

fn parts(mut reply: &[u8]) -> impl Iterator<Item = Part<'_>> {
    std::iter::from_fn(move || {
        let length = reply.first_chunk().map(|four| u32::from_ne_bytes(*four))?;
        let length = usize::try_from(length).ok()?;
        let kind = reply.get(4..6)?.first_chunk().map(|two| u16::from_ne_bytes(*two))?;
        let body = reply.get(HEADER..length)?;
        reply = reply.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Part { kind, body })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_lists_the_loopback_address() {
        let loopback =
            Place { address: IpAddr::V4(Ipv4Addr::LOCALHOST), interface: "lo".to_owned() };
        assert!(addresses().unwrap().contains(&loopback));
    }

    #[test]
    fn an_interface_that_is_not_there_is_an_error() {
        assert!(Interface::named("nonesuch0").is_err());
    }

    #[test]
    fn a_reply_that_is_cut_short_tells_nothing_and_harms_nobody() {
        let whole = message(NEW, 0, "169.254.169.254".parse().unwrap(), 1);
        let part = parts(&whole).next().unwrap();
        assert_eq!(part.address(), Some(("169.254.169.254".parse().unwrap(), 1)));
        for end in 0..whole.len() {
            assert_eq!(parts(&whole[..end]).count(), 0, "{end}");
        }
        for end in 0..part.body.len() {
            let _ = Part { kind: NEW, body: &part.body[..end] }.address();
        }
    }
}
