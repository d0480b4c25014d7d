//! A network, as settings name it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::role::Malformed;

/// A network: an address and how many of its bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    address: IpAddr,
    prefix: u8,
}

impl Cidr {
    /// The whole of IPv4.
    pub const EVERY_IPV4: Self = Self { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), prefix: 0 };
    /// The whole of IPv6.
    pub const EVERY_IPV6: Self = Self { address: IpAddr::V6(Ipv6Addr::UNSPECIFIED), prefix: 0 };

    /// True where a peer belongs to it; an IPv4 peer of an IPv6 socket is an IPv4 peer.
    #[must_use]
    pub fn contains(&self, peer: IpAddr) -> bool {
        match (self.address, peer.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(peer)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
                (own.to_bits() ^ peer.to_bits()) & mask == 0
            }
            (IpAddr::V6(own), IpAddr::V6(peer)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                (own.to_bits() ^ peer.to_bits()) & mask == 0
            }
            _ => false,
        }
    }

    /// True if every address of the network is a loopback address.
    pub(super) fn is_loopback(&self) -> bool {
        let enough = if self.address.is_ipv4() { 8 } else { 128 };
        self.address.to_canonical().is_loopback() && self.prefix >= enough
    }

    /// True for the whole of IPv4 or of IPv6.
    pub(super) const fn holds_everybody(&self) -> bool {
        self.prefix == 0
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl FromStr for Cidr {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let wrong = |why| Malformed { expected: "a network", why };
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr =
            address.parse().map_err(|_| wrong("it looks like 172.17.0.0/16 or fd00::/8"))?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let digits = |text: &&str| text.bytes().all(|b| b.is_ascii_digit());
        let prefix = match prefix {
            None => most,
            Some(text) => Some(text)
                .filter(digits)
                .and_then(|text| text.parse().ok())
                .filter(|prefix| *prefix <= most)
                .ok_or_else(|| {
                    wrong("behind the slash stands a number of bits, up to 32 or 128")
                })?,
        };
        Ok(Self { address, prefix })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_the_addresses_that_share_its_bits() {
        let holds = |network: &str, peer: &str| {
            network.parse::<Cidr>().unwrap().contains(peer.parse().unwrap())
        };
        assert!(holds("172.17.0.0/16", "172.17.255.1"));
        assert!(holds("172.17.0.0/16", "::ffff:172.17.0.2"));
        assert!(!holds("172.17.0.0/16", "172.18.0.1"));
        assert!(holds("10.0.0.7", "10.0.0.7"));
        assert!(!holds("10.0.0.7", "10.0.0.6"));
        assert!(holds("0.0.0.0/0", "8.8.8.8"));
        assert!(!holds("0.0.0.0/0", "::1"));
        assert!(holds("::/0", "2001:db8::1"));
        assert!(holds("fd00:ec2::/32", "fd00:ec2::254"));
        assert!(!holds("fd00:ec2::/32", "fd00:ec3::254"));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "docker0", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/+8", "/8"] {
            assert!(text.parse::<Cidr>().is_err(), "{text}");
        }
    }
}
