//! What lies between us and an endpoint: whom TLS trusts, and a proxy.
//!
//! Checks what the SDK would panic on or pass over in silence. Opens nothing;
//! texts never quote the proxy's URL, for it may hold a password.

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::TrustStore;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::request::Route;
use crate::failure::{Failure, Kind};

/// What no proxy can reach for us: this host and this link, IMDS among them.
const LOCAL: &str = "localhost,127.0.0.0/8,::1,169.254.0.0/16,fe80::/10,fd00:ec2::254";

/// What would fail at the first call, before there is one.
///
/// # Errors
/// Where the CA bundle or the proxy is of no use.
pub fn check_route(route: &Route) -> Result<(), Failure> {
    trust(route)?;
    proxy(route)?;
    Ok(())
}

/// The authorities to trust: those of the bundle, else those of the system.
pub(super) fn trust(route: &Route) -> Result<TrustStore, Failure> {
    let Some(path) = &route.ca_bundle else {
        return Ok(TrustStore::default());
    };
    let unusable = |why: &dyn std::fmt::Display| {
        let name = path.display();
        Failure::new(Kind::Unreachable, format!("ca_bundle {name} is of no use: {why}"))
            .hint("it is a PEM file with at least one certificate; AWS_CA_BUNDLE names it too")
    };
    let pem = std::fs::read(path).map_err(|error| unusable(&error))?;
    check(&pem).map_err(|why| unusable(&why))?;
    Ok(TrustStore::empty().with_pem_certificate(pem))
}

/// The SDK panics on what does not pass here.
fn check(pem: &[u8]) -> Result<(), &'static str> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|_| "it is not valid PEM")?;
        roots.add(certificate).map_err(|_| "it holds something that is no certificate")?;
    }
    if roots.is_empty() {
        return Err("it holds no certificate");
    }
    Ok(())
}

/// The way past or through the proxy.
pub(super) fn proxy(route: &Route) -> Result<ProxyConfig, Failure> {
    let everywhere = route.no_proxy.split(',').any(|rule| rule.trim() == "*");
    let Some(url) = route.proxy.as_ref().filter(|_| !everywhere) else {
        return Ok(ProxyConfig::disabled());
    };
    let url = url.expose();
    let config = if url.contains("://") {
        ProxyConfig::all(url)
    } else {
        ProxyConfig::all(format!("http://{url}"))
    };
    let config = config.map_err(|_| {
        Failure::new(Kind::Unreachable, "the URL of the proxy is not valid")
            .hint("it looks like http://USER:PASSWORD@HOST:PORT; SOCKS is not spoken")
    })?;
    Ok(config.no_proxy(format!("{LOCAL},{}", route.no_proxy)))
}
