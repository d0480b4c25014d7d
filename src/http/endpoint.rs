//! What is spoken on a listener: one variant for each kind.

use std::sync::Arc;

use hyper::header::{self, HeaderMap, HeaderValue};

use super::container::ContainerSite;
use super::head;
use super::imds::Site;
use crate::clock::Now;

/// What a listener serves; clones serve the same.
#[derive(Debug, Clone)]
pub enum Endpoint {
    /// The EC2 instance metadata service.
    Imds(Arc<Site>),
    /// Container credentials, in the shape of ECS.
    Container(Arc<ContainerSite>),
}

impl Endpoint {
    /// Whether a connection outlives a request with these fields: EC2 wants to
    /// be asked for it (F3, F4), everybody else lets it live.
    pub(super) fn stays_open(&self, headers: &HeaderMap) -> bool {
        match self {
            Self::Imds(_) => head::asks_to_stay(headers),
            Self::Container(_) => !head::asks_to_close(headers),
        }
    }

    /// Notes which program asks.
    pub(super) fn note(&self, headers: &HeaderMap) {
        let clients = match self {
            Self::Imds(site) => &site.clients,
            Self::Container(site) => &site.clients,
        };
        let agent = headers.get(header::USER_AGENT).map_or(&[][..], HeaderValue::as_bytes);
        clients.note(agent, self.now().wall);
    }

    /// The present, as everything that is served there knows it.
    pub(super) fn now(&self) -> Now {
        match self {
            Self::Imds(site) => site.clock.now(),
            Self::Container(site) => site.clock.now(),
        }
    }
}
