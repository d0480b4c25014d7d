//! Credentials from somebody else's metadata or container endpoint.
//!
//! Only ever from the one that the settings name: the SDK's own providers look
//! at the usual addresses too, and there might be this daemon.

use aws_credential_types::Credentials as Signer;
use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use jiff::Timestamp;
use serde_json::Value;

use super::network::Network;
use super::request::{EndpointKind, Timeouts};
use super::transport::{timed_out, transport};
use crate::environment::Environment;
use crate::failure::{Failure, Kind};
use crate::secret::Secret;

const METADATA_TOKEN: &str = "x-aws-ec2-metadata-token";
const ROLES: &str = "latest/meta-data/iam/security-credentials/";

/// One endpoint, and the way to it.
#[derive(Debug)]
pub(super) struct Neighbour<'a> {
    pub(super) kind: EndpointKind,
    pub(super) url: &'a str,
    pub(super) network: &'a Network,
    pub(super) timeouts: Timeouts,
    pub(super) environment: &'a Environment,
}

/// A header field of a request.
type Field<'a> = (&'static str, &'a str);

impl Neighbour<'_> {
    /// What it gives at this moment.
    pub(super) async fn credentials(&self) -> Result<Signer, Failure> {
        let document = match self.kind {
            EndpointKind::Container => self.of_container().await?,
            EndpointKind::Instance => self.of_instance().await?,
        };
        self.parse(document.expose())
    }

    async fn of_container(&self) -> Result<Secret, Failure> {
        let authorization = self.authorization()?;
        let field = authorization.as_ref().map(|text| ("authorization", text.expose()));
        self.ask("GET", self.url, field).await
    }

    /// As every SDK has it: the file, read anew each time, before the variable.
    fn authorization(&self) -> Result<Option<Secret>, Failure> {
        const FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
        let Some(path) = self.environment.get(FILE) else {
            return Ok(self.environment.secret("AWS_CONTAINER_AUTHORIZATION_TOKEN"));
        };
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::new(Kind::NoBase, format!("cannot read {path}: {error}"))
                .hint(format!("{FILE} names this file"))
        })?;
        Ok(Some(Secret::new(text.trim())))
    }

    async fn of_instance(&self) -> Result<Secret, Failure> {
        let at = |path: &str| format!("{}/{path}", self.url);
        let ttl = ("x-aws-ec2-metadata-token-ttl-seconds", "300");
        let token = self.ask("PUT", &at("latest/api/token"), Some(ttl)).await?;
        let field = Some((METADATA_TOKEN, token.expose()));
        let listing = self.ask("GET", &at(ROLES), field).await?;
        let role = listing.expose().lines().next().unwrap_or_default().trim();
        if role.is_empty() || !role.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(self.broken("names no role").hint("has the instance a profile?"));
        }
        self.ask("GET", &at(&format!("{ROLES}{role}")), field).await
    }

    async fn ask(
        &self,
        method: &str,
        url: &str,
        field: Option<Field<'_>>,
    ) -> Result<Secret, Failure> {
        let limit = self.timeouts.attempt;
        match tokio::time::timeout(limit, self.exchange(method, url, field)).await {
            Ok(reply) => reply,
            Err(_) => Err(self.in_words(timed_out("no answer", limit))),
        }
    }

    async fn exchange(
        &self,
        method: &str,
        url: &str,
        field: Option<Field<'_>>,
    ) -> Result<Secret, Failure> {
        let mut request = HttpRequest::new(SdkBody::empty());
        let set = request.set_method(method).and_then(|()| request.set_uri(url));
        set.map_err(|_| self.broken("cannot be asked at that URL"))?;
        if let Some((name, value)) = field {
            let fits = request.headers_mut().try_insert(name, value.to_owned());
            fits.map_err(|_| self.broken("wants a token that no header field can hold"))?;
        }
        let reply = self.network.call(request).await.map_err(|error| {
            let failure = transport(&error, self.timeouts);
            failure.map_or_else(|| self.broken("does not answer"), |it| self.in_words(it))
        })?;
        let status = reply.status().as_u16();
        if status != 200 {
            return Err(self.broken(&format!("answered HTTP {status}")).hint(self.cause(status)));
        }
        let body = ByteStream::new(reply.into_body()).collect().await;
        let body = body.map_err(|_| self.broken("broke off its answer"))?.to_vec();
        let text = String::from_utf8(body).map_err(|_| self.broken("answered with no text"))?;
        Ok(Secret::new(text))
    }

    fn parse(&self, document: &str) -> Result<Signer, Failure> {
        let document: Value = serde_json::from_str(document)
            .map_err(|_| self.broken("answered with something that is no JSON"))?;
        let field = |name: &str| document.get(name).and_then(Value::as_str);
        let need = |name: &str| {
            let found = field(name).filter(|value| !value.is_empty());
            found.ok_or_else(|| self.broken(&format!("answered without {name}")))
        };
        if field("Code").is_some_and(|code| code != "Success") {
            return Err(self.broken("has no credentials itself"));
        }
        let expiration: Timestamp = need("Expiration")?
            .parse()
            .map_err(|_| self.broken("answered with an Expiration that is no time"))?;
        let mut signer = Signer::builder()
            .access_key_id(need("AccessKeyId")?)
            .secret_access_key(need("SecretAccessKey")?)
            .session_token(need("Token")?)
            .expiry(expiration.into())
            .provider_name("Neighbour");
        signer.set_account_id(field("AccountId").map(Into::into));
        Ok(signer.build())
    }

    const fn cause(&self, status: u16) -> &'static str {
        match (self.kind, status) {
            (EndpointKind::Container, 401 | 403) => {
                "set AWS_CONTAINER_AUTHORIZATION_TOKEN, or its _FILE, to what the endpoint wants"
            }
            (EndpointKind::Instance, 404) => "has the instance a profile?",
            _ => "does credential_source_endpoint name the right endpoint?",
        }
    }

    fn in_words(&self, mut failure: Failure) -> Failure {
        failure.message = format!("the endpoint {}: {}", self.url, failure.message);
        failure
    }

    fn broken(&self, what: &str) -> Failure {
        Failure::new(Kind::NoBase, format!("the endpoint {} {what}", self.url))
    }
}
