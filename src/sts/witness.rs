//! How the exchanges of a login ended.
//!
//! The SDK's own providers fold a failed refresh, a portal in trouble and a
//! login that has ended into one error. What was seen on the wire tells them
//! apart: whether somebody has to log in, or it will heal by itself.

use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

use super::network::Network;
use super::request::Timeouts;
use super::transport::transport;
use crate::failure::Failure;

/// What came of an exchange.
#[derive(Debug, Clone)]
pub(super) enum Seen {
    /// A reply with this status.
    Status(u16),
    /// No reply, for this reason.
    Broken(Failure),
}

impl Seen {
    /// True where it will heal by itself.
    const fn is_trouble(&self) -> bool {
        matches!(self, Self::Broken(_) | Self::Status(429 | 500..))
    }
}

/// A network that remembers its exchanges. Clones share the memory.
#[derive(Debug, Clone)]
pub(super) struct Witness {
    network: Network,
    timeouts: Timeouts,
    memory: Arc<Mutex<Memory>>,
}

#[derive(Debug, Default)]
struct Memory {
    last: Option<Seen>,
    /// The first that went wrong for no fault of the login.
    trouble: Option<Seen>,
}

impl Witness {
    pub(super) fn new(network: Network, timeouts: Timeouts) -> Self {
        Self { network, timeouts, memory: Arc::default() }
    }

    /// The exchange that decided; `None` where nobody was asked.
    ///
    /// It is the last one, unless that was a refusal after trouble: where a login could
    /// not be refreshed, the SDK goes on with the one that has ended.
    pub(super) fn decisive(&self) -> Option<Seen> {
        let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = matches!(memory.last, Some(Seen::Status(401)));
        let follows = memory.trouble.as_ref().filter(|_| refused);
        follows.or(memory.last.as_ref()).cloned()
    }
}

impl Memory {
    fn keep(&mut self, seen: Option<Seen>) {
        let trouble = seen.as_ref().filter(|seen| seen.is_trouble());
        self.trouble = self.trouble.take().or_else(|| trouble.cloned());
        self.last = seen;
    }
}

impl HttpClient for Witness {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Witness {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let reply = self.network.call(request);
        let (memory, timeouts) = (Arc::clone(&self.memory), self.timeouts);
        HttpConnectorFuture::new(async move {
            let reply = reply.await;
            let seen = match &reply {
                Ok(reply) => Some(Seen::Status(reply.status().as_u16())),
                Err(error) => transport(error, timeouts).map(Seen::Broken),
            };
            memory.lock().unwrap_or_else(PoisonError::into_inner).keep(seen);
            reply
        })
    }
}
