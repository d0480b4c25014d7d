//! How the last exchange of a login ended.
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

/// A network that remembers its last exchange. Clones share the memory.
#[derive(Debug, Clone)]
pub(super) struct Witness {
    network: Network,
    timeouts: Timeouts,
    last: Arc<Mutex<Option<Seen>>>,
}

impl Witness {
    pub(super) fn new(network: Network, timeouts: Timeouts) -> Self {
        Self { network, timeouts, last: Arc::default() }
    }

    /// The last exchange; `None` where nobody was asked.
    pub(super) fn last(&self) -> Option<Seen> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
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
        let (last, timeouts) = (Arc::clone(&self.last), self.timeouts);
        HttpConnectorFuture::new(async move {
            let reply = reply.await;
            let seen = match &reply {
                Ok(reply) => Some(Seen::Status(reply.status().as_u16())),
                Err(error) => transport(error, timeouts).map(Seen::Broken),
            };
            *last.lock().unwrap_or_else(PoisonError::into_inner) = seen;
            reply
        })
    }
}
