//! What the kernel of macOS is told about an address: requests as bytes.
//!
//! The layouts are those of `ifaliasreq`, `ifreq`, `in6_aliasreq` and `in6_ifreq` on
//! 64 bits, numbers those of `<netinet/in_var.h>` and `<netinet6/in6_var.h>`. Knows
//! no system call, so that it can be tested anywhere.

use std::net::{Ipv4Addr, Ipv6Addr};

pub(super) const ADD_V4: u64 = number(26, size_of::<AddV4>());
pub(super) const REMOVE_V4: u64 = number(25, size_of::<RemoveV4>());
pub(super) const ADD_V6: u64 = number(26, size_of::<AddV6>());
pub(super) const REMOVE_V6: u64 = number(25, size_of::<RemoveV6>());

pub(super) type AddV4 = [u8; 64];
pub(super) type RemoveV4 = [u8; 32];
pub(super) type AddV6 = [u8; 128];
/// Most of it is room for statistics, which other requests ask for.
pub(super) type RemoveV6 = [u8; 288];

/// Of the interface's name, its zero included.
const NAME: usize = 16;
const INET: u8 = 2;
const INET6: u8 = 30;

/// `_IOW('i', order, size)`.
const fn number(order: u64, size: usize) -> u64 {
    0x8000_0000 | (size as u64) << 16 | (b'i' as u64) << 8 | order
}

pub(super) fn add_v4(interface: &str, ip: Ipv4Addr) -> AddV4 {
    let broadcast = [0; 16];
    request(interface, &[&socket_v4(ip), &broadcast, &socket_v4(Ipv4Addr::BROADCAST)])
}

pub(super) fn remove_v4(interface: &str, ip: Ipv4Addr) -> RemoveV4 {
    request(interface, &[&socket_v4(ip)])
}

pub(super) fn add_v6(interface: &str, ip: Ipv6Addr) -> AddV6 {
    let (destination, flags) = ([0; 28], [0; 4]);
    let mask = socket_v6(Ipv6Addr::from_bits(u128::MAX));
    let lifetime = [[0; 8], [0; 8], [0xff; 8]].concat(); // for ever, valid and preferred
    request(interface, &[&socket_v6(ip), &destination, &mask, &flags, &lifetime])
}

pub(super) fn remove_v6(interface: &str, ip: Ipv6Addr) -> RemoveV6 {
    request(interface, &[&socket_v6(ip)])
}

/// The name and the parts, one after the other; zeros to the end.
fn request<const SIZE: usize>(interface: &str, parts: &[&[u8]]) -> [u8; SIZE] {
    let name = interface.bytes().take(NAME - 1).chain(std::iter::repeat(0)).take(NAME);
    let mut bytes = [0; SIZE];
    for (place, byte) in bytes.iter_mut().zip(name.chain(parts.concat())) {
        *place = byte;
    }
    bytes
}

/// A `sockaddr_in` without a port.
fn socket_v4(ip: Ipv4Addr) -> [u8; 16] {
    let [a, b, c, d] = ip.octets();
    [16, INET, 0, 0, a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0]
}

/// A `sockaddr_in6` without port, flow and scope.
fn socket_v6(ip: Ipv6Addr) -> [u8; 28] {
    let mut bytes = [0; 28];
    let known = [28, INET6, 0, 0, 0, 0, 0, 0].into_iter().chain(ip.octets());
    for (place, byte) in bytes.iter_mut().zip(known) {
        *place = byte;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_system() {
        assert_eq!((ADD_V4, REMOVE_V4), (0x8040_691a, 0x8020_6919));
        assert_eq!((ADD_V6, REMOVE_V6), (0x8080_691a, 0x8120_6919));
    }

    #[test]
    fn each_field_is_where_the_kernel_looks_for_it() {
        let ip = Ipv4Addr::new(169, 254, 169, 254);
        let add = add_v4("lo0", ip);
        assert_eq!(add[..16], *b"lo0\0\0\0\0\0\0\0\0\0\0\0\0\0");
        assert_eq!(add[16..24], [16, 2, 0, 0, 169, 254, 169, 254]);
        assert_eq!(add[48..56], [16, 2, 0, 0, 255, 255, 255, 255]);
        assert_eq!(remove_v4("lo0", ip), add[..32]);

        let ip: Ipv6Addr = "fd00:ec2::254".parse().unwrap();
        let add = add_v6("lo0", ip);
        assert_eq!(add[16..18], [28, 30]);
        assert_eq!(add[24..40], ip.octets());
        assert_eq!(add[44..72], [0; 28], "no destination");
        assert_eq!(add[72..74], [28, 30]);
        assert_eq!(add[80..96], [0xff; 16], "the mask");
        assert_eq!(add[96..120], [0; 24], "no scope, no flags, no end");
        assert_eq!(add[120..], [0xff; 8], "lifetimes");
        assert_eq!(remove_v6("lo0", ip)[..44], add[..44]);
        assert_eq!(remove_v6("lo0", ip)[44..], [0; 244]);
    }

    #[test]
    fn a_name_that_is_too_long_is_cut_before_its_zero() {
        let request = remove_v4("an-interface-of-many-letters", Ipv4Addr::LOCALHOST);
        assert_eq!(request[14..18], [b'f', 0, 16, 2]);
    }
}
