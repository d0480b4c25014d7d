//! Who may connect to a listener.
//!
//! Judges the two addresses of an accepted socket, never the one that a
//! listener was bound to: a wildcard or an address of the LAN lets the whole
//! network knock, yet opens to nobody but this host and `allow_from`.

use std::net::IpAddr;

use crate::config::Cidr;

/// Who besides this host may connect to one listener; nobody, by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Admission {
    allow_from: Vec<Cidr>,
}

/// Where a peer that may stay comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// This host, in a network namespace that shares our addresses.
    Here,
    /// Another host or namespace: the hop limit is for those (T12).
    Elsewhere,
}

impl Admission {
    /// Lets these in, too.
    #[must_use]
    pub const fn new(allow_from: Vec<Cidr>) -> Self {
        Self { allow_from }
    }

    /// Lets everybody in: where a token guards what is served.
    #[must_use]
    pub fn everybody() -> Self {
        Self::new([Cidr::EVERY_IPV4, Cidr::EVERY_IPV6].to_vec())
    }

    /// Where the peer comes from; `None` for one that must go before a byte is read (F17).
    #[must_use]
    pub fn judge(&self, peer: IpAddr, local: IpAddr) -> Option<Origin> {
        let (peer, local) = (peer.to_canonical(), local.to_canonical());
        if is_here(peer, local) {
            return Some(Origin::Here);
        }
        let admitted = self.allow_from.iter().any(|network| network.contains(peer));
        admitted.then_some(Origin::Elsewhere)
    }
}

/// A peer of this host is on loopback, or has the very address that it called.
fn is_here(peer: IpAddr, local: IpAddr) -> bool {
    peer.is_loopback() || peer == local
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn judge(allow_from: &[&str], peer: &str, local: &str) -> Option<Origin> {
        let networks = allow_from.iter().map(|network| network.parse().unwrap()).collect();
        Admission::new(networks).judge(ip(peer), ip(local))
    }

    #[test]
    fn f17_a_peer_of_this_host_is_on_loopback_or_has_the_address_it_called() {
        for (peer, local) in [
            ("127.0.0.1", "127.0.0.1"),
            ("127.0.0.1", "169.254.169.254"),
            ("::1", "fd00:ec2::254"),
            ("169.254.169.254", "169.254.169.254"),
            ("::ffff:127.0.0.1", "::ffff:127.0.0.1"),
            ("192.168.1.2", "::ffff:192.168.1.2"),
        ] {
            assert_eq!(judge(&[], peer, local), Some(Origin::Here), "{peer} {local}");
        }
    }

    #[test]
    fn f17_everybody_else_needs_to_be_allowed() {
        let (peer, local) = ("172.17.0.2", "172.17.0.1");
        assert_eq!(judge(&[], peer, local), None);
        assert_eq!(judge(&["10.0.0.0/8", "172.18.0.0/16"], peer, local), None);
        assert_eq!(judge(&["::/0"], peer, local), None);
        assert_eq!(judge(&["172.17.0.0/16"], peer, local), Some(Origin::Elsewhere));
        assert_eq!(judge(&["172.17.0.2"], "::ffff:172.17.0.2", local), Some(Origin::Elsewhere));
        assert_eq!(judge(&["172.17.0.0/16"], local, local), Some(Origin::Here), "still local");
    }

    proptest! {
        #[test]
        fn nobody_from_elsewhere_is_served_untold(peer in any::<u128>(), local in any::<u128>()) {
            let (peer, local) = (IpAddr::from(peer.to_be_bytes()), IpAddr::from(local.to_be_bytes()));
            prop_assume!(!peer.to_canonical().is_loopback() && peer != local);
            prop_assert_eq!(Admission::default().judge(peer, local), None);
        }
    }
}
