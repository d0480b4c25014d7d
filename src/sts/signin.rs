//! The federation endpoint: a sign-in token for temporary credentials.
//!
//! Not STS, but asked in the same way, by the same network. The keys go into
//! the body, never into a URL.

use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use serde_json::{Value, json};

use super::network::Network;
use super::request::{Route, Timeouts};
use super::transport::{timed_out, transport};
use crate::credentials::Credentials;
use crate::failure::{Failure, Kind};
use crate::secret::Secret;

/// Trades credentials for a sign-in token of the web console, good for a quarter of an hour.
///
/// # Errors
/// Where the endpoint cannot be reached, or takes no such credentials.
pub async fn signin_token(
    endpoint: &str,
    credentials: &Credentials,
    route: Route,
) -> Result<Secret, Failure> {
    let timeouts = Timeouts::default();
    let network = Network::new(timeouts, route);
    let session = Secret::new(
        json!({
            "sessionId": credentials.access_key_id(),
            "sessionKey": credentials.secret_access_key().expose(),
            "sessionToken": credentials.session_token().expose(),
        })
        .to_string(),
    );
    let body = format!("Action=getSigninToken&Session={}", encoded(session.expose()));
    let limit = timeouts.operation;
    let answer = tokio::time::timeout(limit, exchange(&network, endpoint, body, timeouts)).await;
    answer.unwrap_or_else(|_| Err(in_words(timed_out("no answer", limit))))
}

/// As a form and a query have it: all but unreserved characters escaped.
#[must_use]
pub fn encoded(text: &str) -> String {
    let escaped = text.bytes().map(|b| match b {
        b if b.is_ascii_alphanumeric() || b"-._~".contains(&b) => char::from(b).to_string(),
        b => format!("%{b:02X}"),
    });
    escaped.collect()
}

async fn exchange(
    network: &Network,
    endpoint: &str,
    body: String,
    timeouts: Timeouts,
) -> Result<Secret, Failure> {
    let mut request = HttpRequest::new(SdkBody::from(body));
    let set = request.set_method("POST").and_then(|()| request.set_uri(endpoint));
    set.map_err(|_| broken("cannot be asked at that URL"))?;
    request.headers_mut().insert("content-type", "application/x-www-form-urlencoded");
    let reply = network.call(request).await.map_err(|error| {
        transport(&error, timeouts).map_or_else(|| broken("does not answer"), in_words)
    })?;
    let status = reply.status().as_u16();
    let body = ByteStream::new(reply.into_body()).collect().await;
    let body = body.map_err(|_| broken("broke off its answer"))?.to_vec();
    match status {
        200 => {}
        400..500 => {
            let failure =
                Failure::new(Kind::Refused, format!("the sign-in service answered HTTP {status}"));
            return Err(failure.hint(
                "it takes the credentials of roles and of GetFederationToken, not those of GetSessionToken",
            ));
        }
        _ => return Err(broken(&format!("answered HTTP {status}"))),
    }
    let answer: Option<Value> = serde_json::from_slice(&body).ok();
    let token = answer.as_ref().and_then(|answer| answer.get("SigninToken")?.as_str());
    token.map(Secret::new).ok_or_else(|| broken("answered without a sign-in token"))
}

fn in_words(mut failure: Failure) -> Failure {
    failure.message = format!("the sign-in service: {}", failure.message);
    failure
}

fn broken(what: &str) -> Failure {
    Failure::new(Kind::Unreachable, format!("the sign-in service {what}"))
        .hint("--endpoint names another one")
}
