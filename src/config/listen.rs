//! Where to listen, and who besides this host may connect.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use super::file::{Document, Item, Table};
use super::inputs::Inputs;
use super::mistake::{Mistake, Mistakes, Warning};
use super::setting::Setting;
use super::values::{listen_address, nearest};
use crate::role::Malformed;

/// One socket to bind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// Where.
    pub address: SocketAddr,
    /// What is spoken there.
    pub kind: ListenKind,
    /// What it serves, whatever is active; for IMDS only.
    pub role: Option<String>,
    /// Peers to serve although they are not on this host.
    pub allow_from: Vec<Cidr>,
}

impl Listen {
    /// IMDS for this host.
    #[must_use]
    pub const fn imds(address: SocketAddr) -> Self {
        Self { address, kind: ListenKind::Imds, role: None, allow_from: Vec::new() }
    }

    /// The container endpoint, at any port of loopback.
    #[must_use]
    pub const fn for_consumers() -> Self {
        let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        Self { address, kind: ListenKind::Container, role: None, allow_from: Vec::new() }
    }
}

impl Default for Listen {
    fn default() -> Self {
        Self::imds(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1338))
    }
}

/// What a listener speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenKind {
    /// The EC2 instance metadata service.
    Imds,
    /// Container credentials, in the shape of ECS.
    Container,
    /// Container credentials, in the shape of the EKS Pod Identity agent.
    PodIdentity,
    /// Metrics and health of the daemon itself.
    Metrics,
}

impl ListenKind {
    /// As settings and logs have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Imds => "imds",
            Self::Container => "container",
            Self::PodIdentity => "pod-identity",
            Self::Metrics => "metrics",
        }
    }

    /// The file's reader has checked the word.
    fn named(kind: Setting<'_>) -> Self {
        let known = [Self::Imds, Self::Container, Self::PodIdentity, Self::Metrics];
        known.into_iter().find(|known| known.as_str() == kind.text).unwrap_or(Self::Imds)
    }

    /// Why a listener of this kind has no role of its own, and what to do instead.
    const fn without_role(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Imds => None,
            Self::Container => Some((
                "without effect, for each consumer has a role of its own",
                "leave it out; `assumed token create` gives a consumer its role",
            )),
            Self::PodIdentity => Some((
                "without effect, for each pod has a role of its own",
                "leave it out; entries of [[pod]] give pods their roles",
            )),
            Self::Metrics => {
                Some(("without effect, for metrics are about all roles", "leave it out"))
            }
        }
    }
}

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
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl Cidr {
    /// True for the whole of IPv4 or of IPv6.
    const fn holds_everybody(&self) -> bool {
        self.prefix == 0
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

/// A listener, and what asked for it.
type Found<'a> = (Listen, Setting<'a>);

/// Every listener: those of the flags, else those of the file, else the usual one.
/// `served` are the roles that they may name.
pub(super) fn find(
    inputs: &Inputs,
    document: &Document,
    served: Option<&[&str]>,
    mistakes: &mut Mistakes,
    warnings: &mut Vec<Warning>,
) -> Vec<Listen> {
    let flags = inputs.overrides.listen.iter().map(|flag| of_flag(Setting::flag("--listen", flag)));
    let flags: Vec<Found<'_>> = flags.filter_map(|found| mistakes.note(found)).collect();
    let items = document.list("listen").iter().map(|item| of_item(item, served));
    let items: Vec<Found<'_>> = items.filter_map(|found| mistakes.note(found)).flatten().collect();
    let found = overridden(items, flags);
    for (index, (own, setting)) in found.iter().enumerate() {
        let twice = |(other, _): &Found<'_>| other.address == own.address;
        // Port 0 is another one each time.
        if own.address.port() != 0 && found.iter().take(index).any(twice) {
            mistakes.push(setting.mistake(format!("{} comes twice", own.address)));
        }
    }
    let open = |(listen, _): &&Found<'_>| listen.allow_from.iter().any(Cidr::holds_everybody);
    warnings.extend(found.iter().filter(open).map(|(_, setting)| {
        setting
            .mistake("every host that reaches this listener may take the credentials")
            .hint("narrow its allow_from to the networks that are meant")
    }));
    if found.is_empty() {
        return vec![Listen::default()];
    }
    found.into_iter().map(|(listen, _)| listen).collect()
}

/// Flags stand for listeners of their own kind; the file's of other kinds stay.
fn overridden<'a>(items: Vec<Found<'a>>, flags: Vec<Found<'a>>) -> Vec<Found<'a>> {
    if flags.is_empty() {
        return items;
    }
    let others = items.into_iter().filter(|(listen, _)| listen.kind != ListenKind::Imds);
    flags.into_iter().chain(others).collect()
}

/// The mistake of naming a role that is not among those served.
pub(super) fn not_served(named: Setting<'_>, served: &[&str]) -> Mistake {
    let hint = match (served, nearest(named.text, served.iter().copied())) {
        ([only], _) => format!("the one that is served is {only}"),
        (_, Some(near)) => format!("did you mean {near}?"),
        (all, None) => format!("those that are served are {}", all.join(", ")),
    };
    named.mistake("not a role that is served").hint(hint)
}

fn of_flag(flag: Setting<'_>) -> Result<Found<'_>, Mistake> {
    let address = listen_address(flag.text).map_err(|wrong| flag.malformed(&wrong))?;
    Ok((Listen::imds(address), flag))
}

/// `None` where the address is wrong for a reason already told.
fn of_item<'a>(item: &'a Item, served: Option<&[&str]>) -> Result<Option<Found<'a>>, Mistake> {
    let Some(table) = item.table() else {
        return Ok(item.setting().and_then(|address| bound(address, Listen::default())));
    };
    let kind = table.get("kind").map_or(ListenKind::Imds, ListenKind::named);
    let role = own_role(table, kind, served)?;
    let allowed = table.list("allow_from").iter().filter_map(Item::setting);
    let allowed = allowed.filter_map(|network| network.text.parse().ok()).collect();
    match table.get("address") {
        Some(address) => {
            Ok(bound(address, Listen { kind, role, allow_from: allowed, ..Listen::default() }))
        }
        None if table.has("address") => Ok(None),
        None => Err(Mistake::new("a listener without an address")
            .at(&item.place)
            .key(&item.key)
            .hint("add address = \"127.0.0.1:1338\"")),
    }
}

fn own_role(
    table: &Table,
    kind: ListenKind,
    served: Option<&[&str]>,
) -> Result<Option<String>, Mistake> {
    let Some(named) = table.get("role") else { return Ok(None) };
    match served {
        _ if let Some((what, hint)) = kind.without_role() => Err(named.mistake(what).hint(hint)),
        Some(served) if !served.contains(&named.text) => Err(not_served(named, served)),
        _ => Ok(Some(named.text.to_owned())),
    }
}

fn bound(setting: Setting<'_>, listen: Listen) -> Option<Found<'_>> {
    let address = listen_address(setting.text).ok()?;
    Some((Listen { address, ..listen }, setting))
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
