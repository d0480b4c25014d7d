//! `EcsContainer` and `Ec2InstanceMetadata`: credentials from somebody else's endpoint.
//!
//! Never from a default one, for at the default addresses stands this daemon;
//! and never from one of our own listeners, for that would be a loop.

use std::net::{IpAddr, SocketAddr};

use super::listen::Listen;
use super::mistake::Mistake;
use super::role_keys::Keys;
use super::setting::Setting;
use super::settings::{RoleSettings, Settings};
use super::values;
use crate::sts::request::{Base, EndpointKind, Start};

const ELSEWHERE: &str = "name the endpoint that has the credentials; this one would ask itself";

/// The base behind a `credential_source` with an endpoint.
pub(super) fn base(source: Setting<'_>, endpoint: Option<Setting<'_>>) -> Result<Base, Mistake> {
    let Some(endpoint) = endpoint else {
        return Err(source
            .mistake("this daemon serves metadata and asks none for its own credentials, unless told where")
            .hint("name a source_profile, or set credential_source_endpoint to an endpoint that is not this daemon's"));
    };
    values::url(endpoint.text).map_err(|wrong| endpoint.malformed(&wrong))?;
    let kind = match source.text {
        "EcsContainer" => EndpointKind::Container,
        _ => EndpointKind::Instance,
    };
    Ok(Base::Endpoint { kind, url: endpoint.text.trim_end_matches('/').to_owned() })
}

/// A mistake where an endpoint is set, and nothing that would ask it.
pub(super) fn check_alone(keys: &Keys<'_>) -> Result<(), Mistake> {
    let source = keys.get("credential_source").map_or("", |source| source.text);
    match keys.get("credential_source_endpoint") {
        Some(endpoint) if !["EcsContainer", "Ec2InstanceMetadata"].contains(&source) => {
            Err(endpoint
                .mistake("stands without a credential_source that would ask it")
                .hint("set credential_source to EcsContainer or Ec2InstanceMetadata"))
        }
        _ => Ok(()),
    }
}

/// A mistake where the endpoint is one of our own listeners.
pub(super) fn check(endpoint: Setting<'_>, listeners: &[Listen]) -> Result<(), Mistake> {
    let own = listeners.iter().map(|listen| listen.address).any(|own| leads_to(endpoint.text, own));
    if own {
        Err(endpoint.mistake("this is one of this daemon's own listeners").hint(ELSEWHERE))
    } else {
        Ok(())
    }
}

/// The same for all roles, where a service manager passed the listeners.
///
/// # Errors
/// Where a role would ask this daemon for the credentials that it needs itself.
pub fn check_passed(settings: &Settings) -> Result<(), Mistake> {
    let own = |url: &str| settings.listen.iter().any(|listen| leads_to(url, listen.address));
    let loops = |role: &&RoleSettings| match &role.source.start {
        Start::Base(base) | Start::Session(base, _) | Start::Federation(base, _) => {
            matches!(base, Base::Endpoint { url, .. } if own(url))
        }
        Start::WebIdentity(_) | Start::Saml(_) => false,
    };
    match settings.roles.iter().find(loops) {
        None => Ok(()),
        Some(role) => Err(Mistake::new(format!(
            "role {}: its endpoint is one of this daemon's own listeners",
            role.name
        ))
        .key("credential_source_endpoint")
        .hint(ELSEWHERE)),
    }
}

/// A listener on every address is met on any.
fn leads_to(url: &str, own: SocketAddr) -> bool {
    let Some((host, port)) = values::authority(url) else { return false };
    let anywhere = own.ip().is_unspecified();
    let same_host = host.parse::<IpAddr>().map_or_else(
        |_| host.eq_ignore_ascii_case("localhost") && (own.ip().is_loopback() || anywhere),
        |ip| ip == own.ip() || anywhere,
    );
    port == own.port() && same_host
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_that_leads_back_to_us_is_seen() {
        let leads = |url: &str, own: &str| leads_to(url, own.parse().unwrap());
        assert!(leads("http://127.0.0.1:1338", "127.0.0.1:1338"));
        assert!(leads("http://localhost:1338/x", "[::1]:1338"));
        assert!(leads("http://169.254.169.254", "169.254.169.254:80"));
        assert!(leads("http://10.0.0.7:1338", "0.0.0.0:1338"));
        assert!(!leads("http://127.0.0.1:1339", "127.0.0.1:1338"));
        assert!(!leads("http://169.254.170.2/creds", "169.254.169.254:80"));
        assert!(!leads("https://vault.example:1338", "127.0.0.1:1338"));
    }
}
