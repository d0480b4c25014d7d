//! What listeners serve: a site for each kind, and for each role that has a listener.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};

use tokio::sync::watch;

use super::issuers::Issuers;
use super::role::Role;
use super::roles::Roles;
use crate::clock::Clock;
use crate::config::{AccessRule, Listen, ListenKind, Settings};
use crate::container::pod::{IssuerKeys, TokenHistory};
use crate::http::{
    ContainerSite, ContainerTerms, Endpoint, MetricsSite, PodLog, PodSite, PodTerms, Report, Site,
    Terms, UnknownHosts,
};
use crate::imds::{HostNames, TokenKey};
use crate::log_throttle::LogThrottle;
use crate::status::Clients;
use crate::store::register::Register;
use crate::sys::identity;
use crate::sys::state::KeyBytes;

/// What SDKs put before a relative URI (S1), by whatever way it leads here.
const AGENT: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2));

/// Each kind of site once, and IMDS once more for each role that has a listener of its own.
#[derive(Debug)]
pub(super) struct Sites {
    /// Of listeners that serve whatever is active.
    shared: Arc<Site>,
    /// By the names of roles.
    own: BTreeMap<String, Arc<Site>>,
    container: Arc<ContainerSite>,
    pods: Arc<PodSite>,
    issuers: Issuers,
    metrics: Arc<MetricsSite>,
}

impl Sites {
    /// They answer by no name yet: [`Self::renew`] comes first.
    pub(super) fn new(
        settings: &Settings,
        roles: &Roles,
        register: Arc<Register>,
        key: &KeyBytes,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let clients = Arc::<Clients>::default();
        let names = || HostNames::new([], []);
        let terms = Terms {
            options: settings.imds,
            names: names(),
            role: roles.active().served(),
            access: Vec::new(),
            given: BTreeMap::new(),
        };
        let nobody = ContainerTerms { names: names(), access: Vec::new(), roles: BTreeMap::new() };
        let shared = Site {
            terms: watch::Sender::new(terms),
            foreign: UnknownHosts::default(),
            barred: LogThrottle::default(),
            hop_limit_log: LogThrottle::default(),
            key: Arc::new(TokenKey::new(key, &identity::boot_id())),
            clients: Arc::clone(&clients),
            clock: Arc::clone(clock),
            nonce: AtomicU64::new(identity::nonce()),
        };
        let issuers = Issuers::new(clock);
        let nobody_yet = PodTerms { names: names(), rules: Vec::new(), roles: BTreeMap::new() };
        let pods = PodSite {
            terms: watch::Sender::new(nobody_yet),
            keys: issuers.keys(),
            fetch: Box::new(issuers.fetch()),
            history: TokenHistory::default(),
            logged: PodLog::default(),
            clients: Arc::clone(&clients),
            clock: Arc::clone(clock),
        };
        let metrics = MetricsSite {
            names: watch::Sender::new(names()),
            report: OnceLock::new(),
            clients: Arc::clone(&clients),
            clock: Arc::clone(clock),
        };
        let clock = Arc::clone(clock);
        let (foreign, barred) = (UnknownHosts::default(), LogThrottle::default());
        let (terms, sessions) = (watch::Sender::new(nobody), watch::Sender::default());
        let container =
            ContainerSite { terms, sessions, foreign, barred, register, clients, clock };
        let (shared, own) = (Arc::new(shared), BTreeMap::new());
        let (container, pods) = (Arc::new(container), Arc::new(pods));
        let metrics = Arc::new(metrics);
        let mut sites = Self { shared, own, container, pods, issuers, metrics };
        sites.renew(settings, roles, &[]);
        sites
    }

    /// Which programs ask, whatever they speak.
    pub(super) fn clients(&self) -> Arc<Clients> {
        Arc::clone(&self.shared.clients)
    }

    /// The keys of the issuers of pods' tokens.
    pub(super) fn issuer_keys(&self) -> watch::Receiver<BTreeMap<String, IssuerKeys>> {
        self.issuers.keys()
    }

    /// What consumers are served.
    pub(super) fn container(&self) -> Arc<ContainerSite> {
        Arc::clone(&self.container)
    }

    /// Reads what stands in files beside the settings again.
    pub(super) fn reread(&self) {
        self.issuers.reread();
    }

    /// Where metrics come from, from now on.
    pub(super) fn report_by(&self, report: Report) {
        // There is one steering end in the life of a daemon.
        let _ = self.metrics.report.set(report);
    }

    /// What this listener serves.
    pub(super) fn endpoint(&self, listen: &Listen) -> Endpoint {
        let own = || self.own.get(listen.role.as_deref()?);
        match listen.kind {
            ListenKind::Imds => Endpoint::Imds(Arc::clone(own().unwrap_or(&self.shared))),
            ListenKind::Container => Endpoint::Container(self.container()),
            ListenKind::PodIdentity => Endpoint::Pods(Arc::clone(&self.pods)),
            ListenKind::Metrics => Endpoint::Metrics(Arc::clone(&self.metrics)),
        }
    }

    /// Judges requests by the settings, roles and addresses as they are now.
    pub(super) fn renew(&mut self, settings: &Settings, roles: &Roles, bound: &[IpAddr]) {
        let names = |more: Option<IpAddr>| {
            HostNames::new(bound.iter().copied().chain(more), settings.hosts.iter().cloned())
        };
        let given = |rule: &AccessRule| {
            Some((rule.role.clone()?, roles.find(rule.role.as_ref()?)?.served()))
        };
        let terms = |role: &Role| Terms {
            options: settings.imds,
            names: names(None),
            role: role.served(),
            access: settings.access.clone(),
            given: settings.access.iter().filter_map(given).collect(),
        };
        self.shared.terms.send_replace(terms(roles.active()));
        let wanted: BTreeSet<_> = settings.listen.iter().filter_map(|it| it.role.clone()).collect();
        self.own.retain(|name, _| wanted.contains(name));
        for role in wanted.iter().filter_map(|name| roles.find(name)) {
            let site = self.own.entry(role.name().to_owned());
            let site = site.or_insert_with(|| Arc::new(beside(&self.shared, terms(role))));
            site.terms.send_replace(terms(role));
        }
        self.issuers.follow(settings);
        self.pods.terms.send_replace(PodTerms {
            names: HostNames::of_pod_agent(bound.iter().copied(), settings.hosts.iter().cloned()),
            rules: settings.pods.clone(),
            roles: roles.served(),
        });
        self.metrics.names.send_replace(names(None));
        self.container.terms.send_replace(ContainerTerms {
            names: names(Some(AGENT)),
            access: settings.access.clone(),
            roles: roles.served(),
        });
    }
}

/// Takes the same tokens, and serves something else.
fn beside(site: &Site, terms: Terms) -> Site {
    Site {
        terms: watch::Sender::new(terms),
        foreign: UnknownHosts::default(),
        barred: LogThrottle::default(),
        hop_limit_log: LogThrottle::default(),
        key: Arc::clone(&site.key),
        clients: Arc::clone(&site.clients),
        clock: Arc::clone(&site.clock),
        nonce: AtomicU64::new(identity::nonce()),
    }
}
