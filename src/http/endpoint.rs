//! What is spoken on a listener: one variant for each kind.

use std::sync::Arc;

use super::container::ContainerSite;
use super::head::Head;
use super::imds::Site;
use crate::clock::Clock;
use crate::status::Clients;

/// What a listener serves; clones serve the same.
#[derive(Debug, Clone)]
pub enum Endpoint {
    /// The EC2 instance metadata service.
    Imds(Arc<Site>),
    /// Container credentials, in the shape of ECS.
    Container(Arc<ContainerSite>),
}

impl Endpoint {
    /// Whether a connection outlives a request with this head: EC2 wants to
    /// be asked for it (F3, F4), everybody else lets it live.
    pub(super) const fn stays_open(&self, head: &Head<'_>) -> bool {
        match self {
            Self::Imds(_) => head.asks_to_stay(),
            Self::Container(_) => !head.asks_to_close,
        }
    }

    /// Which programs ask.
    pub(super) fn clients(&self) -> &Clients {
        match self {
            Self::Imds(site) => &site.clients,
            Self::Container(site) => &site.clients,
        }
    }

    /// The clock of everything that is served there.
    pub(super) fn clock(&self) -> &Arc<dyn Clock> {
        match self {
            Self::Imds(site) => &site.clock,
            Self::Container(site) => &site.clock,
        }
    }
}
