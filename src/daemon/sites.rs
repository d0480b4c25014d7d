//! What listeners serve: a site for each kind, all from the same role.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::sync::watch;

use super::role::Role;
use crate::clock::Clock;
use crate::config::{ListenKind, Settings};
use crate::http::{ContainerSite, ContainerTerms, Endpoint, ForeignNames, Site, Terms};
use crate::imds::{HostNames, TokenKey};
use crate::status::Clients;
use crate::store::register::Register;
use crate::sys::identity;
use crate::sys::state::KeyBytes;

/// What SDKs put before a relative URI (S1), by whatever way it leads here.
const AGENT: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2));

/// Each kind of site, once.
#[derive(Debug)]
pub(super) struct Sites {
    imds: Arc<Site>,
    container: Arc<ContainerSite>,
}

impl Sites {
    /// They answer by no name yet: [`Self::renew`] comes first.
    pub(super) fn new(
        settings: &Settings,
        role: &Role,
        register: Arc<Register>,
        key: &KeyBytes,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let clients = Arc::<Clients>::default();
        let names = || HostNames::new([], []);
        let terms = Terms { options: settings.imds, names: names() };
        let nobody = ContainerTerms { names: names(), roles: BTreeMap::new() };
        let imds = Site {
            terms: watch::Sender::new(terms),
            foreign: ForeignNames::default(),
            key: TokenKey::new(key, &identity::boot_id()),
            role: role.served(),
            clients: Arc::clone(&clients),
            clock: Arc::clone(clock),
            nonce: AtomicU64::new(identity::nonce()),
        };
        let clock = Arc::clone(clock);
        let foreign = ForeignNames::default();
        let (terms, sessions) = (watch::Sender::new(nobody), watch::Sender::default());
        let container = ContainerSite { terms, sessions, foreign, register, clients, clock };
        Self { imds: Arc::new(imds), container: Arc::new(container) }
    }

    /// Which programs ask, whatever they speak.
    pub(super) fn clients(&self) -> Arc<Clients> {
        Arc::clone(&self.imds.clients)
    }

    /// What consumers are served.
    pub(super) fn container(&self) -> Arc<ContainerSite> {
        Arc::clone(&self.container)
    }

    /// What a listener of this kind serves.
    pub(super) fn endpoint(&self, kind: ListenKind) -> Endpoint {
        match kind {
            ListenKind::Imds => Endpoint::Imds(Arc::clone(&self.imds)),
            ListenKind::Container => Endpoint::Container(Arc::clone(&self.container)),
        }
    }

    /// Judges requests by the settings, role and addresses as they are now.
    pub(super) fn renew(&self, settings: &Settings, role: &Role, bound: &[IpAddr]) {
        let names = |more: Option<IpAddr>| {
            HostNames::new(bound.iter().copied().chain(more), settings.hosts.iter().cloned())
        };
        self.imds.terms.send_replace(Terms { options: settings.imds, names: names(None) });
        self.container.terms.send_replace(ContainerTerms {
            names: names(Some(AGENT)),
            roles: BTreeMap::from([(role.name().to_owned(), role.served())]),
        });
    }
}
