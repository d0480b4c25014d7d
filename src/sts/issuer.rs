//! The public keys of an OIDC issuer, asked of itself, by its discovery document.
//!
//! Not STS, but on the same ways: proxy and authorities are those of a role.

use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use serde_json::Value;

use super::network::Network;
use super::request::{Route, Timeouts};
use super::transport::{timed_out, transport};
use crate::failure::{Failure, Kind};

/// The issuer's key set, as it stands there.
///
/// # Errors
/// Where the issuer cannot be reached, or tells of no keys.
pub async fn issuer_keys(
    issuer: &str,
    route: Route,
    timeouts: Timeouts,
) -> Result<String, Failure> {
    let network = Network::new(timeouts, route);
    let asked = async {
        let base = issuer.trim_end_matches('/');
        let about = format!("{base}/.well-known/openid-configuration");
        let about = fetch(&network, &about, timeouts).await?;
        let about: Value = serde_json::from_str(&about).unwrap_or_default();
        if about.get("issuer").and_then(Value::as_str) != Some(issuer) {
            return Err(broken("tells of another issuer").hint("is it spelt as in the tokens?"));
        }
        let place = about.get("jwks_uri").and_then(Value::as_str);
        let place = place.ok_or_else(|| broken("does not tell where its keys are"))?;
        // Keys from a page that anybody on the way may change are worth nothing.
        if issuer.starts_with("https:") && !place.starts_with("https:") {
            return Err(broken("has its keys where nothing is encrypted"));
        }
        fetch(&network, place, timeouts).await
    };
    let limit = timeouts.operation;
    let outcome = tokio::time::timeout(limit, asked).await;
    outcome.unwrap_or_else(|_| Err(in_words(timed_out("no answer", limit))))
}

async fn fetch(network: &Network, url: &str, timeouts: Timeouts) -> Result<String, Failure> {
    let mut request = HttpRequest::new(SdkBody::empty());
    request.set_uri(url).map_err(|_| broken("cannot be asked at that URL"))?;
    request.headers_mut().insert("accept", "application/json");
    let reply = network.call(request).await.map_err(|error| {
        transport(&error, timeouts).map_or_else(|| broken("does not answer"), in_words)
    })?;
    let status = reply.status().as_u16();
    if status != 200 {
        return Err(broken(&format!("answered HTTP {status}")));
    }
    let body = ByteStream::new(reply.into_body()).collect().await;
    let body = body.map_err(|_| broken("broke off its answer"))?.to_vec();
    String::from_utf8(body).map_err(|_| broken("answered something that is no text"))
}

fn in_words(mut failure: Failure) -> Failure {
    failure.message = format!("the issuer: {}", failure.message);
    failure
}

fn broken(what: &str) -> Failure {
    Failure::new(Kind::Unreachable, format!("the issuer {what}"))
        .hint("jwks_file names a file with its keys instead")
}
