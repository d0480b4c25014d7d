//! The SDK's way out: one connection per call, plain or TLS as the URL says.
//!
//! Connections are not kept: between rotations there would be nothing to reuse
//! them for, only timers that wake an idle daemon. TLS and the native roots are
//! loaded by the first `https` call and then kept; a plain-HTTP STS never
//! pays for them.

use std::sync::{Arc, OnceLock};

use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use http_body_util::Limited;

use super::request::{Route, Timeouts};
use super::route;
use crate::failure::Failure;

/// More than STS ever says, and too little to hurt.
pub(super) const LONGEST_REPLY: usize = 256 * 1024;

/// Every connection that this role's source opens.
#[derive(Debug, Clone)]
pub(super) struct Network(Arc<Lines>);

#[derive(Debug)]
struct Lines {
    settings: HttpConnectorSettings,
    route: Route,
    plain: OnceLock<SharedHttpConnector>,
    tls: OnceLock<SharedHttpConnector>,
}

impl Network {
    /// Loads nothing yet.
    pub(super) fn new(timeouts: Timeouts, route: Route) -> Self {
        Self(Arc::new(Lines {
            settings: HttpConnectorSettings::builder().connect_timeout(timeouts.connect).build(),
            route,
            plain: OnceLock::new(),
            tls: OnceLock::new(),
        }))
    }

    /// Plain connections that somebody else makes.
    #[cfg(any(test, fuzzing))]
    pub(super) fn through(connector: SharedHttpConnector) -> Self {
        let network = Self::new(Timeouts::default(), Route::default());
        let _ = network.0.plain.set(connector);
        network
    }

    /// A way that cannot be taken is tried again next time: the file may be mended.
    fn line(&self, url: &str) -> Result<&SharedHttpConnector, Failure> {
        let secure = url.starts_with("https:");
        let line = if secure { &self.0.tls } else { &self.0.plain };
        if let Some(line) = line.get() {
            return Ok(line);
        }
        let roots = if secure { route::trust(&self.0.route)? } else { TrustStore::empty() };
        let connector = SharedHttpConnector::new(self.connector(roots)?);
        Ok(line.get_or_init(|| connector))
    }

    fn connector(&self, roots: TrustStore) -> Result<Connector, Failure> {
        let context = TlsContext::builder().with_trust_store(roots).build().unwrap_or_default();
        Ok(Connector::builder()
            .connector_settings(self.0.settings.clone())
            .proxy_config(route::proxy(&self.0.route)?)
            .pool_max_idle_per_host(0)
            .pool_idle_timeout(None)
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(context)
            .build_with_resolver(SystemResolver))
    }
}

impl HttpClient for Network {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Network {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let reply = match self.line(request.uri()) {
            Ok(line) => line.call(request),
            Err(failure) => {
                return HttpConnectorFuture::ready(Err(ConnectorError::user(failure.into())));
            }
        };
        HttpConnectorFuture::new(async move {
            Ok(reply.await?.map(|body| SdkBody::from_body_1_x(Limited::new(body, LONGEST_REPLY))))
        })
    }
}

/// The system's resolver, with an error that can be told apart.
#[derive(Debug, Clone, Copy)]
struct SystemResolver;

impl ResolveDns for SystemResolver {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async move {
            let found = tokio::net::lookup_host((name, 0)).await;
            match found {
                Ok(addresses) => Ok(addresses.map(|address| address.ip()).collect()),
                Err(error) => Err(ResolveDnsError::new(error)),
            }
        })
    }
}
