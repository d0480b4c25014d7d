//! Whether an address belongs to this host, and to which interface, by `rtnetlink(7)`.
//!
//! Numbers and layouts are those of `linux/rtnetlink.h`.

use std::io;
use std::net::{IpAddr, SocketAddr};

use super::netlink::{self, u16_at, u32_at};

/// `RTM_NEWROUTE` and `RTM_GETROUTE`.
const ROUTE: u16 = 24;
const GET_ROUTE: u16 = 26;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
/// `RTM_F_FIB_MATCH`: the entry of the routing table, which names the interface that has the
/// address. Without it every address of this host is on `lo`.
const FIB_MATCH: u32 = 0x2000;
/// `RTN_LOCAL` and `RTN_ANYCAST`.
const OF_THIS_HOST: [u8; 2] = [2, 4];
/// `EACCES`, `EINVAL`, `ENETUNREACH`, `EHOSTUNREACH`: routes that lead nowhere.
const NO_ROUTE: [i32; 4] = [13, 22, 101, 113];
/// `RTA_DST` and `RTA_OIF`.
const DESTINATION: u16 = 1;
const DEVICE: u16 = 4;

/// Size of `rtmsg`, and the offset of its type.
const BODY: usize = 12;
const TYPE: usize = 7;
/// Size of `rtattr`.
const ATTRIBUTE: usize = 4;

/// Where an address leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// It belongs to the interface with this index.
    ThisHost(u32),
    /// It belongs to no interface of this network namespace.
    Elsewhere,
}

/// The route to an address; through the interface `device`, unless that is 0.
///
/// # Errors
/// If the kernel cannot be asked, or its reply cannot be understood.
pub(super) fn find(address: SocketAddr, device: u32) -> io::Result<Route> {
    let replies = netlink::ask(None, &[question(address.ip(), device)])?;
    route(&replies).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn question(address: IpAddr, device: u32) -> Vec<u8> {
    let (family, bytes) = match address {
        IpAddr::V4(ip) => (AF_INET, ip.octets().to_vec()),
        IpAddr::V6(ip) => (AF_INET6, ip.octets().to_vec()),
    };
    let bits = u8::try_from(bytes.len() * 8).unwrap_or_default();
    let mut body = vec![family, bits, 0, 0, 0, 0, 0, 0];
    body.extend(FIB_MATCH.to_ne_bytes());
    body.extend(attribute(DESTINATION, &bytes));
    if device != 0 {
        body.extend(attribute(DEVICE, &device.to_ne_bytes()));
    }
    netlink::message(GET_ROUTE, 1, &body)
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(ATTRIBUTE + value.len()).unwrap_or_default();
    [&length.to_ne_bytes(), &kind.to_ne_bytes(), value].concat()
}

/// What a reply says; `None` if it is not the whole answer to the question.
#[must_use]
pub fn route(reply: &[u8]) -> Option<Route> {
    let message = netlink::messages(reply).next().filter(|message| message.sequence == 1)?;
    if let Some(errno) = message.errno() {
        return NO_ROUTE.contains(&errno).then_some(Route::Elsewhere);
    }
    let body = (message.kind == ROUTE).then_some(message.body)?;
    if OF_THIS_HOST.contains(body.get(TYPE)?) {
        device(body.get(BODY..)?).map(Route::ThisHost)
    } else {
        Some(Route::Elsewhere)
    }
}

/// The interface among the attributes.
fn device(mut attributes: &[u8]) -> Option<u32> {
    loop {
        let length = usize::from(u16_at(attributes, 0)?);
        let value = attributes.get(ATTRIBUTE..length)?;
        if u16_at(attributes, 2)? == DEVICE {
            return u32_at(value, 0);
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
}
