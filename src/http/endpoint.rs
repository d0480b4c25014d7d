//! What is spoken on a listener: one variant for each kind.

use std::sync::Arc;

use hyper::Response;

use super::container::ContainerSite;
use super::head::Head;
use super::imds::Site;
use super::metrics::MetricsSite;
use super::patience::{Patience, Wait};
use super::payload::Payload;
use super::pods::PodSite;
use super::visitor::{Ends, Form};
use crate::access::permit::{depend_on_identity, name_groups};
use crate::clock::Clock;
use crate::config::AccessRule;
use crate::status::Clients;

/// What a listener serves; clones serve the same.
#[derive(Debug, Clone)]
pub enum Endpoint {
    /// The EC2 instance metadata service.
    Imds(Arc<Site>),
    /// Container credentials, in the shape of ECS.
    Container(Arc<ContainerSite>),
    /// Container credentials, in the shape of the EKS Pod Identity agent.
    Pods(Arc<PodSite>),
    /// Metrics and health of the daemon itself.
    Metrics(Arc<MetricsSite>),
}

/// How much of a caller's identity is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    /// Nothing: no rule depends on it.
    None,
    /// The user.
    User,
    /// The user and its groups.
    UserAndGroups,
}

impl Lookup {
    fn for_rules(rules: &[AccessRule]) -> Self {
        if name_groups(rules) {
            Self::UserAndGroups
        } else if depend_on_identity(rules) {
            Self::User
        } else {
            Self::None
        }
    }
}

impl Endpoint {
    /// The response to one request, or what it waits for.
    pub(super) fn respond(
        &self,
        head: &Head<'_>,
        ends: &Ends,
        form: Form,
        patience: Patience,
    ) -> Result<Response<Payload>, Wait> {
        match self {
            Self::Imds(site) => site.respond(head, ends, form, patience),
            Self::Container(site) => site.respond(head, ends, form, patience),
            Self::Pods(site) => site.respond(head, ends, form, patience),
            Self::Metrics(site) => Ok(site.respond(head, ends, form)),
        }
    }

    /// Whether a connection outlives a request with this head: EC2 wants to
    /// be asked for it (F3, F4), everybody else lets it live.
    pub(super) const fn stays_open(&self, head: &Head<'_>) -> bool {
        match self {
            // HTTP/1.0 has no such thing without a field that EC2 never sends (F4).
            Self::Imds(_) => head.asks_to_stay() && !head.request.http_10,
            Self::Container(_) | Self::Pods(_) | Self::Metrics(_) => !head.asks_to_close,
        }
    }

    /// How much the access rules need to know of a caller.
    pub(super) fn lookup(&self) -> Lookup {
        match self {
            Self::Imds(site) => Lookup::for_rules(&site.terms.borrow().access),
            Self::Container(site) => Lookup::for_rules(&site.terms.borrow().access),
            Self::Pods(_) | Self::Metrics(_) => Lookup::None,
        }
    }

    /// Which programs ask.
    pub(super) fn clients(&self) -> &Clients {
        match self {
            Self::Imds(site) => &site.clients,
            Self::Container(site) => &site.clients,
            Self::Pods(site) => &site.clients,
            Self::Metrics(site) => &site.clients,
        }
    }

    /// The clock of everything that is served there.
    pub(super) fn clock(&self) -> &Arc<dyn Clock> {
        match self {
            Self::Imds(site) => &site.clock,
            Self::Container(site) => &site.clock,
            Self::Pods(site) => &site.clock,
            Self::Metrics(site) => &site.clock,
        }
    }
}
