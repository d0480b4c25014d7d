//! Fuzz targets of what comes back from outside: replies of STS, SAML responses, the output
//! of a `credential_process`.

#![allow(clippy::missing_panics_doc, reason = "an assertion that fails is a finding")]

use std::cell::RefCell;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use aws_credential_types::Credentials as Signer;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;

use super::client::{Client, Enclosed};
use super::command::{CommandRunner, Program};
use super::network::Network;
use super::request::{
    AssumeRole, Base, CommandLine, Policies, Route, Saml, SessionDuration, Source, TextSource,
    Timeouts,
};
use super::{process, saml};
use crate::clock::Clock;
use crate::environment::{Environment, ProfilePaths};
use crate::fuzz_targets::{
    FixedClock, SECRET_KEY, SESSION_TOKEN, START, assert_no_secret, block_on,
};
use crate::markup::Document;
use crate::secret::Secret;

const ROLE: &str = "arn:aws:iam::123456789012:role/one";
const PROVIDER: &str = "arn:aws:iam::123456789012:saml-provider/corp";
/// More than any message of ours, with what STS said in it.
const LONGEST_MESSAGE: usize = 4096;

thread_local! {
    /// The status and the body of every reply.
    static REPLY: RefCell<(u16, Vec<u8>)> = const { RefCell::new((200, Vec::new())) };
    static CLIENT: Client = client();
}

/// A connector that answers everything with [`REPLY`].
#[derive(Debug)]
struct Replying;

impl HttpConnector for Replying {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        let (status, body) = REPLY.take();
        let status = status.try_into().expect("100 to 999");
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::from(body))))
    }
}

fn client() -> Client {
    let environment = Environment::default();
    let source = Source {
        start: Base::Environment.into(),
        hops: Vec::new(),
        region: "eu-central-1".parse().expect("a Region"),
        endpoint_url: Some("http://sts.test".to_owned()),
        route: Route::default(),
        timeouts: Timeouts::default(),
        paths: ProfilePaths::of(&environment),
        environment: Arc::new(environment),
    };
    let network = Network::through(SharedHttpConnector::new(Replying));
    Client::new(&source, &network, Arc::new(FixedClock) as Arc<dyn Clock>)
}

/// A reply of STS to `AssumeRole`: two bytes for the status, then the body.
///
/// The attempt ends in whole credentials or in a failure, which is short, printable and
/// repeats no key that was sent.
pub fn sts_response(data: &[u8]) {
    let Some(([high, low], body)) = data.split_first_chunk() else { return };
    let status = u16::from_be_bytes([*high, *low]) % 500 + 100;
    let role = AssumeRole::new(ROLE.parse().expect("an ARN"), "tester".parse().expect("a name"));
    let signer =
        Signer::new("ASIAEXAMPLE", SECRET_KEY, Some(SESSION_TOKEN.to_owned()), None, "fuzz");
    REPLY.set((status, body.to_vec()));
    let client = CLIENT.with(Client::clone);
    match block_on(client.assume_role(&role, Enclosed::default(), signer)) {
        Ok(grant) => {
            assert!((200..300).contains(&status), "{status}");
            let credentials = &grant.credentials;
            assert!(!credentials.access_key_id().is_empty());
            assert!(!credentials.secret_access_key().is_empty());
            assert!(!credentials.session_token().is_empty());
        }
        Err(failure) => {
            let text = failure.to_string();
            for secret in [SECRET_KEY, SESSION_TOKEN] {
                assert!(!text.contains(secret), "{text}");
            }
            assert!(text.len() <= LONGEST_MESSAGE && !text.contains(char::is_control), "{text:?}");
        }
    }
}

static CALL: LazyLock<Saml> = LazyLock::new(|| Saml {
    role_arn: ROLE.parse().expect("an ARN"),
    principal_arn: PROVIDER.parse().expect("an ARN"),
    assertion: TextSource::HandedIn,
    duration: SessionDuration::default(),
    policies: Policies::default(),
});

/// The response of a SAML identity provider, as XML or in base64.
///
/// No document type is accepted; what is passed on to STS names the role or is encrypted; a
/// message quotes role ARNs only.
pub fn saml_response(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(document) = Document::read(text) {
        assert!(document.all("", "").next().is_none(), "an element without a name");
    }
    let Ok(encoded) = saml::encoded(&Secret::new(text)) else { return };
    match saml::check(&encoded, &CALL, START.wall) {
        Ok(()) => assert!(!text.trim_start().starts_with("<!DOCTYPE")),
        Err(failure) => {
            let text = failure.to_string();
            assert!(text.len() <= LONGEST_MESSAGE && !text.contains(char::is_control), "{text:?}");
        }
    }
}

/// What a `credential_process` prints.
///
/// Only whole credentials are taken, and an error repeats nothing of the output.
pub fn credential_process(data: &[u8]) {
    let command = CommandLine::Line(Secret::new("tool"));
    let runner = CommandRunner { starter: None, limit: Duration::from_mins(1) };
    let program = Program { key: "credential_process", command: &command, runner, keys_of: None };
    match process::parse(data, program) {
        Ok(signer) => {
            assert!(!signer.access_key_id().is_empty() && !signer.secret_access_key().is_empty());
        }
        Err(failure) => {
            let told = [
                "something that is no JSON object",
                "a Version other than 1",
                "no AccessKeyId",
                "no SecretAccessKey",
                "an Expiration that is no time",
            ];
            let (_, what) = failure.message.split_once(" printed ").expect("what it printed");
            assert!(told.contains(&what), "{failure}");
            assert_no_secret(&failure.to_string(), data);
        }
    }
}
