//! Where to listen, and who besides this host may connect.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::cidr::Cidr;
use super::file::{Document, Item, Table};
use super::inputs::Inputs;
use super::mistake::{Mistake, Mistakes, Warning};
use super::setting::Setting;
use super::values::{listen_address, nearest};

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
    /// Connections at once, at least 1.
    pub max_connections: usize,
}

/// Connections of one listener at once, unless the settings say otherwise.
const MAX_CONNECTIONS: usize = 1024;

impl Listen {
    /// IMDS for this host.
    #[must_use]
    pub const fn imds(address: SocketAddr) -> Self {
        Self::new(address, ListenKind::Imds)
    }

    /// The container endpoint, at any port of loopback.
    #[must_use]
    pub const fn for_consumers() -> Self {
        let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        Self::new(address, ListenKind::Container)
    }

    const fn new(address: SocketAddr, kind: ListenKind) -> Self {
        let max_connections = MAX_CONNECTIONS;
        Self { address, kind, role: None, allow_from: Vec::new(), max_connections }
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
            let mistake = setting.mistake(format!("{} comes twice", own.address));
            mistakes.push(mistake.hint("leave one of them out, or give it a port of its own"));
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
            let usual = Listen::default();
            let max_connections = max_connections(table).unwrap_or(usual.max_connections);
            let allow_from = allowed;
            Ok(bound(address, Listen { kind, role, allow_from, max_connections, ..usual }))
        }
        None if table.has("address") => Ok(None),
        None => Err(Mistake::new("a listener without an address")
            .at(&item.place)
            .key(&item.key)
            .hint("add address = \"127.0.0.1:1338\"")),
    }
}

/// The file's reader has checked the number.
fn max_connections(table: &Table) -> Option<usize> {
    table.get("max_connections")?.text.parse().ok()
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
