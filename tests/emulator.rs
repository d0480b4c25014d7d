//! The embedded STS, asked by the SDK that production uses.
//!
//! Signer, serialiser and parser are AWS's here, so that what the emulator
//! accepts is what AWS's own code sends, and what it answers is understood.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::Arc;
use std::time::Duration;

use assumed::clock::SystemClock;
use assumed::emulator::{
    self, Code, DEMO_ACCESS_KEY_ID, DEMO_SECRET_ACCESS_KEY, Emulator, Fault, Options, Role, Script,
    Trust,
};
use aws_sdk_sts::Client;
use aws_sdk_sts::config::retry::RetryConfig;
use aws_sdk_sts::config::timeout::TimeoutConfig;
use aws_sdk_sts::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sts::operation::RequestId;

const ARN: &str = "arn:aws:iam::210987654321:role/team/deploy";

fn sts() -> Emulator {
    let listener = emulator::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let options = Options::new(Arc::new(SystemClock));
    emulator::start(listener, Script::default(), options).unwrap()
}

fn client(sts: &Emulator, credentials: Credentials) -> Client {
    let timeouts = TimeoutConfig::builder().operation_timeout(Duration::from_secs(1)).build();
    let config = aws_sdk_sts::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(sts.endpoint_url())
        .region(Region::new("eu-central-1"))
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        .credentials_provider(credentials)
        .build();
    Client::from_conf(config)
}

fn keys(id: &str, secret: &str) -> Credentials {
    Credentials::new(id, secret, None, None, "test")
}

fn demo(sts: &Emulator) -> Client {
    client(sts, keys(DEMO_ACCESS_KEY_ID, DEMO_SECRET_ACCESS_KEY))
}

fn code<T, E: ProvideErrorMetadata + std::fmt::Debug>(
    outcome: Result<T, SdkError<E>>,
) -> Option<String> {
    let error = outcome.err()?;
    error.as_service_error().and_then(|e| e.code().map(str::to_owned))
}

async fn assume(client: &Client) -> Credentials {
    let reply =
        client.assume_role().role_arn(ARN).role_session_name("me@host").send().await.unwrap();
    let set = reply.credentials().unwrap();
    let token = Some(set.session_token().to_owned());
    Credentials::new(set.access_key_id(), set.secret_access_key(), token, None, "test")
}

#[tokio::test]
async fn a_role_is_assumed_and_its_keys_sign_for_it() {
    let sts = sts();
    let user = demo(&sts).get_caller_identity().send().await.unwrap();
    assert_eq!(user.arn(), Some("arn:aws:iam::123456789012:user/assumed-demo"));
    assert!(user.request_id().is_some());

    let role = client(&sts, assume(&demo(&sts)).await);
    let identity = role.get_caller_identity().send().await.unwrap();
    let arn = "arn:aws:sts::210987654321:assumed-role/deploy/me@host";
    assert_eq!((identity.arn(), identity.account()), (Some(arn), Some("210987654321")));

    let asked = sts.asked();
    assert_eq!(asked[1].parameters["RoleArn"], ARN);
    assert_eq!(asked[1].region.as_deref(), Some("eu-central-1"));
    assert_eq!((sts.count("AssumeRole"), sts.count("GetCallerIdentity")), (1, 2));
}

#[tokio::test]
async fn every_parameter_arrives() {
    let sts = sts();
    let tag = aws_sdk_sts::types::Tag::builder().key("team").value("blue").build().unwrap();
    let reply = demo(&sts)
        .assume_role()
        .role_arn(ARN)
        .role_session_name("me@host")
        .duration_seconds(7200)
        .external_id("a:b/c")
        .source_identity("me")
        .policy(r#"{"Version": "2012-10-17", "Statement": []}"#)
        .tags(tag)
        .transitive_tag_keys("team")
        .send()
        .await
        .unwrap();
    assert_eq!(reply.source_identity(), Some("me"));
    let asked = sts.asked().remove(0).parameters;
    for (name, value) in [
        ("DurationSeconds", "7200"),
        ("ExternalId", "a:b/c"),
        ("Policy", r#"{"Version": "2012-10-17", "Statement": []}"#),
        ("Tags.member.1.Value", "blue"),
        ("TransitiveTagKeys.member.1", "team"),
    ] {
        assert_eq!(asked[name], value);
    }
}

#[tokio::test]
async fn errors_are_told_apart_by_their_code() {
    let sts = sts();
    let wrong = client(&sts, keys(DEMO_ACCESS_KEY_ID, "wrong"));
    let refused = code(wrong.get_caller_identity().send().await);
    assert_eq!(refused.as_deref(), Some("SignatureDoesNotMatch"));

    let unknown = client(&sts, keys("AKIAUNKNOWN", "wrong"));
    let refused = code(unknown.get_caller_identity().send().await);
    assert_eq!(refused.as_deref(), Some("InvalidClientTokenId"));

    let role = Role { trust: Trust::ExternalId("handshake".into()), ..Role::default() };
    sts.script(|script| script.roles.known.insert(ARN.into(), role));
    let call = || demo(&sts).assume_role().role_arn(ARN).role_session_name("me@host");
    assert_eq!(code(call().send().await).as_deref(), Some("AccessDenied"));
    assert_eq!(code(call().external_id("handshake").send().await), None);

    let bad = call().role_session_name("bad name").send().await;
    assert_eq!(code(bad).as_deref(), Some("ValidationError"));
}

#[tokio::test]
async fn a4_a_chain_is_held_to_one_hour() {
    let sts = sts();
    let role = client(&sts, assume(&demo(&sts)).await);
    let call = || role.assume_role().role_arn(ARN).role_session_name("me@host");
    assert_eq!(code(call().duration_seconds(3600).send().await), None);
    let refused = call().duration_seconds(3601).send().await.unwrap_err();
    assert_eq!(refused.code(), Some("ValidationError"));
    assert!(refused.message().unwrap().contains("role chaining"));
}

#[tokio::test]
async fn faults_reach_the_sdk_as_what_they_are() {
    let sts = sts();
    let client = demo(&sts);
    let call = || client.assume_role().role_arn(ARN).role_session_name("me@host").send();
    let next = |fault| sts.script(|script| script.next = [Some(fault)].into());

    next(Fault::Error(Code::Throttling));
    let throttled = call().await.unwrap_err();
    assert_eq!(
        (throttled.code(), throttled.message()),
        (Some("Throttling"), Some("Rate exceeded"))
    );
    assert_eq!(throttled.raw_response().unwrap().status().as_u16(), 400);

    next(Fault::Error(Code::ServiceUnavailable));
    assert_eq!(call().await.unwrap_err().raw_response().unwrap().status().as_u16(), 503);

    next(Fault::Hang);
    assert!(matches!(call().await, Err(SdkError::TimeoutError(_))));

    for fault in [Fault::Reset, Fault::Cut] {
        next(fault);
        assert!(
            matches!(call().await, Err(SdkError::DispatchFailure(_) | SdkError::ResponseError(_))),
            "{fault}"
        );
    }
    for fault in [Fault::Garbage, Fault::EntityBomb, Fault::WrongRoot, Fault::Nested] {
        next(fault);
        assert!(call().await.is_err(), "{fault}");
    }
    assert!(call().await.is_ok());
}

#[tokio::test]
async fn sessions_are_as_long_as_the_script_says() {
    let sts = sts();
    sts.script(|script| script.session = Some(Duration::from_mins(2)));
    let reply = demo(&sts).assume_role().role_arn(ARN).role_session_name("me@host");
    let first = reply.clone().send().await.unwrap();
    sts.script(|script| script.session = None);
    let second = reply.send().await.unwrap();
    let ends = |expiration: &aws_sdk_sts::primitives::DateTime| expiration.secs();
    let apart = ends(second.credentials().unwrap().expiration())
        - ends(first.credentials().unwrap().expiration());
    assert!((3480..3500).contains(&apart), "{apart}");
}

#[tokio::test]
async fn the_sdk_takes_half_a_reply_for_a_whole_one() {
    // Which is why the door to STS has to look at every set before it is believed.
    let sts = sts();
    for fault in [Fault::Truncated, Fault::MissingFields] {
        sts.script(|script| script.next = [Some(fault)].into());
        let call = demo(&sts).assume_role().role_arn(ARN).role_session_name("me@host");
        let reply = call.send().await.unwrap();
        assert_eq!(reply.credentials().unwrap().expiration().secs(), 0, "{fault}");
    }
}
