//! The names by which we may be called (F17).
//!
//! A page that rebinds its own name to our address still sends that name in
//! `Host`, and so betrays itself. No name is ever resolved here.

use std::net::IpAddr;

/// Own names: what may stand in `Host`.
#[derive(Debug, Clone)]
pub struct HostNames {
    names: Vec<String>,
    addresses: Vec<IpAddr>,
    /// The addresses as clients mostly spell them, for whom nothing needs parsing.
    spelled: Vec<String>,
}

impl HostNames {
    /// What is bound, the service's own addresses and `localhost`, then what settings add.
    #[must_use]
    pub fn new(
        bound: impl IntoIterator<Item = IpAddr>,
        more: impl IntoIterator<Item = String>,
    ) -> Self {
        let service = [
            IpAddr::from([169, 254, 169, 254]),
            IpAddr::from([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254]),
        ];
        Self::of(service, bound, std::iter::once("localhost".to_owned()).chain(more))
    }

    /// The same for the EKS Pod Identity agent, which goes by its addresses alone (K4).
    #[must_use]
    pub fn of_pod_agent(
        bound: impl IntoIterator<Item = IpAddr>,
        more: impl IntoIterator<Item = String>,
    ) -> Self {
        let service =
            [IpAddr::from([169, 254, 170, 23]), IpAddr::from([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23])];
        Self::of(service, bound, more)
    }

    fn of(
        service: [IpAddr; 2],
        bound: impl IntoIterator<Item = IpAddr>,
        more: impl IntoIterator<Item = String>,
    ) -> Self {
        // An unspecified address names every host at once, so it names none.
        let named = bound.into_iter().filter(|address| !address.is_unspecified());
        let mut own = Self {
            names: Vec::new(),
            addresses: named.map(|address| address.to_canonical()).chain(service).collect(),
            spelled: Vec::new(),
        };
        for name in more {
            match address(&name) {
                Some(address) => own.addresses.push(address),
                None => own.names.push(name.to_ascii_lowercase()),
            }
        }
        own.spelled = own.addresses.iter().map(spelling).collect();
        own
    }

    /// True where `host` is one of ours, or the address on which this connection came.
    ///
    /// Any case; with or without a port; IPv6 addresses with or without brackets,
    /// for aws-c-auth sends neither.
    #[must_use]
    pub fn owns(&self, host: &[u8], local: IpAddr) -> bool {
        let after = |own: &String| host.strip_prefix(own.as_bytes());
        if self.spelled.iter().filter_map(after).any(|rest| rest.is_empty() || is_port(rest)) {
            return true;
        }
        let Some(name) = std::str::from_utf8(host).ok().and_then(without_port) else {
            return false;
        };
        match address(name) {
            Some(address) => address == local.to_canonical() || self.addresses.contains(&address),
            None => self.names.iter().any(|own| own.eq_ignore_ascii_case(name)),
        }
    }
}

/// The host of `host[:port]`, an IPv6 address with its brackets if it has them.
fn without_port(host: &str) -> Option<&str> {
    let colon = match host.strip_prefix('[') {
        Some(inner) => match inner.split_once(']')? {
            (_, "") => return Some(host),
            (_, port) if port.starts_with(':') => host.rfind(':')?,
            _ => return None,
        },
        None => match (host.find(':'), host.rfind(':')) {
            (Some(first), Some(last)) if first == last => first,
            // No port, or an IPv6 address without brackets, which cannot have one.
            _ => return Some(host),
        },
    };
    let (name, port) = host.split_at_checked(colon)?;
    is_port(port.as_bytes()).then_some(name)
}

/// True for a colon and a port after it, or none, as RFC 3986 allows.
fn is_port(text: &[u8]) -> bool {
    let digit = |port: u16, b: &u8| {
        let digit = b.is_ascii_digit().then(|| u16::from(b - b'0'))?;
        port.checked_mul(10)?.checked_add(digit)
    };
    text.strip_prefix(b":").is_some_and(|digits| digits.iter().try_fold(0, digit).is_some())
}

/// How `Host` names an address.
fn spelling(address: &IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

/// The name or address in a `Host` field, where it is one that DNS could know.
pub(super) fn shown(host: &[u8]) -> Option<&str> {
    let name = std::str::from_utf8(host).ok().and_then(without_port)?;
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let is_name = name.len() <= 253 && name.split('.').all(is_label);
    (is_name || address(name).is_some()).then_some(name)
}

/// An address as a host name spells it: brackets are for IPv6 only.
fn address(name: &str) -> Option<IpAddr> {
    let bracketed = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address = match bracketed {
        Some(inner) => IpAddr::V6(inner.parse().ok()?),
        None => name.parse().ok()?,
    };
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LOCAL: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 7));

    fn names() -> HostNames {
        HostNames::new(
            [IpAddr::from([10, 1, 2, 3]), IpAddr::from([0, 0, 0, 0])],
            ["Host.Docker.Internal".to_owned(), "[fd00::5]".to_owned(), "10.9.8.7".to_owned()],
        )
    }

    fn owns(host: &str) -> bool {
        names().owns(host.as_bytes(), LOCAL)
    }

    #[test]
    fn f17_own_names_are_owned_in_every_spelling() {
        for host in [
            "localhost",
            "LOCALHOST:1338",
            "localhost:",
            "169.254.169.254",
            "169.254.169.254:80",
            "127.0.0.7",
            "127.0.0.7:1338",
            "10.1.2.3",
            "10.9.8.7:1",
            "host.docker.internal:1338",
            "fd00:ec2::254",
            "[fd00:ec2::254]",
            "[FD00:EC2::254]:80",
            "fd00:0ec2:0::0254",
            "[fd00::5]",
            "fd00::5",
            "::ffff:127.0.0.7",
            "[::ffff:7f00:7]:9",
        ] {
            assert!(owns(host), "{host}");
        }
    }

    #[test]
    fn f17_foreign_and_malformed_names_are_not() {
        for host in [
            "",
            ":",
            ":80",
            "evil.example",
            "localhost.evil.example",
            "evil-localhost",
            "localhost.",
            "127.0.0.1",
            "0.0.0.0",
            "::",
            "[::]",
            "::1",
            "2130706433",
            "0x7f.0.0.7",
            "127.7",
            "localhost:80:80",
            "localhost:abc",
            "localhost:65536",
            "localhost:99999",
            "localhost:123456",
            "localhost:-1",
            "localhost: 80",
            "[localhost]",
            "[127.0.0.7]",
            "[fd00:ec2::254",
            "fd00:ec2::254]",
            "[fd00:ec2::254]80",
            "[[fd00:ec2::254]]",
            "[fd00:ec2::254]:x",
            "[fd00:ec2::254]:80:80",
            "user@localhost",
            "localhost/",
            "localhost, localhost",
            " localhost",
            "fd00:ec2::254%lo",
            "[]",
            "[]:80",
        ] {
            assert!(!owns(host), "{host:?}");
        }
        assert!(!names().owns(b"local\xffhost", LOCAL));
    }

    #[test]
    fn the_address_of_the_connection_is_always_ours() {
        let local = IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, 1]);
        assert!(names().owns(b"[fe80::1]:1338", local));
        assert!(!names().owns(b"[fe80::1]:1338", LOCAL));
        let mapped = "::ffff:192.0.2.1".parse().unwrap();
        assert!(names().owns(b"192.0.2.1", mapped));
    }

    proptest! {
        #[test]
        fn garbage_is_never_owned(host in prop::collection::vec(any::<u8>(), 0..40)) {
            prop_assert!(!names().owns(&host, LOCAL));
        }

        #[test]
        fn a_foreign_name_around_ours_is_foreign(
            before in "[a-z0-9.@-]{0,6}", after in "[a-z0-9.@/-]{0,6}", port in "(:[0-9]{1,5})?",
        ) {
            prop_assume!(!before.is_empty() || !after.is_empty());
            let name = format!("{before}localhost{after}{port}");
            prop_assert!(!owns(&name));
        }

        #[test]
        fn any_case_and_any_port(upper in prop::collection::vec(any::<bool>(), 9), port in any::<u16>()) {
            let name: String = "localhost".chars().zip(upper)
                .map(|(c, up)| if up { c.to_ascii_uppercase() } else { c }).collect();
            let with_port = format!("{name}:{port}");
            prop_assert!(owns(&name) && owns(&with_port));
        }

        #[test]
        fn every_address_owns_itself_with_and_without_brackets(bits in any::<u128>(), port in any::<u16>()) {
            let local = IpAddr::V6(bits.into());
            for host in [format!("{local}"), format!("[{local}]"), format!("[{local}]:{port}")] {
                prop_assert!(names().owns(host.as_bytes(), local), "{}", host);
            }
        }
    }
}
