//! Whom a connection is counted for: a local user, or a network of another host.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The part of an IPv6 address that a host chooses by itself.
const HOST_BITS: u32 = 64;

/// Who takes places of a listener. Whoever can choose among many addresses counts once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// A user of this host, by uid.
    User(u32),
    /// A local caller whose user cannot be established; all of these share one share.
    UnknownUser,
    /// A host or container by its IPv4 address.
    V4(Ipv4Addr),
    /// A network of IPv6 addresses: the first 64 bits. One host usually has all of them.
    V6(Ipv6Addr),
}

impl Source {
    /// That of a caller from another host, container or namespace.
    #[must_use]
    pub const fn of_address(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => {
                let prefix = address.to_bits() >> HOST_BITS << HOST_BITS;
                Self::V6(Ipv6Addr::from_bits(prefix))
            }
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(uid) => write!(f, "uid {uid}"),
            Self::UnknownUser => f.write_str("local callers whose user is unknown"),
            Self::V4(address) => address.fmt(f),
            Self::V6(network) => write!(f, "{network}/64"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_ipv6_network_are_one_source() {
        let of = |address: &str| Source::of_address(address.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
    }

    #[test]
    fn a_source_is_shown_as_administrators_write_it() {
        let shown = |source: Source| source.to_string();
        assert_eq!(shown(Source::User(1000)), "uid 1000");
        assert_eq!(shown(Source::of_address("10.0.0.1".parse().unwrap())), "10.0.0.1");
        assert_eq!(
            shown(Source::of_address("2001:db8:1:2::3".parse().unwrap())),
            "2001:db8:1:2::/64"
        );
    }
}
