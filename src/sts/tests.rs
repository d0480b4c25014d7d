//! The door against a peer that says what a test wants, byte for byte.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::RoleChain;
use super::request::{AssumeRole, Base, Route, Source, Timeouts};
use crate::clock::SystemClock;
use crate::credentials::Grant;
use crate::environment::{Environment, ProfilePaths};
use crate::failure::{Failure, Kind};
use crate::rotation::port::Assume;

const KEY: &str = "5ecre7K3yOfTheCaller";
const TOKEN: &str = "S3ss10nT0ken0fTheCaller";

/// A source with one hop, signed by keys of the environment.
pub(super) fn source(endpoint_url: &str) -> Source {
    let environment = Environment::default()
        .with("AWS_ACCESS_KEY_ID", "ASIACALLER")
        .with("AWS_SECRET_ACCESS_KEY", KEY)
        .with("AWS_SESSION_TOKEN", TOKEN);
    Source {
        start: Base::Environment.into(),
        hops: vec![hop("one")],
        region: "eu-central-1".parse().unwrap(),
        endpoint_url: Some(endpoint_url.to_owned()),
        route: Route::default(),
        timeouts: Timeouts::default(),
        paths: ProfilePaths::of(&environment),
        environment: Arc::new(environment),
    }
}

fn hop(name: &str) -> AssumeRole {
    let role_arn = format!("arn:aws:iam::123456789012:role/{name}");
    AssumeRole::new(role_arn.parse().unwrap(), "tester".parse().unwrap())
}

async fn ask(source: Source) -> Result<Grant, Failure> {
    RoleChain::new(source, Arc::new(SystemClock)).attempt().await
}

/// Answers one connection with these bytes, then ends it; gives the request out.
async fn peer(reply: Vec<u8>) -> (String, oneshot::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (seen, request) = oneshot::channel();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut text = String::new();
        while !is_whole(&text) {
            let mut part = [0; 4096];
            let count = stream.read(&mut part).await.unwrap();
            text.push_str(std::str::from_utf8(&part[..count]).unwrap());
        }
        let _ = stream.write_all(&reply).await;
        let _ = stream.shutdown().await;
        let _ = seen.send(text);
    });
    (url, request)
}

fn is_whole(request: &str) -> bool {
    let Some((head, body)) = request.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() == length.unwrap().parse::<usize>().unwrap()
}

fn reply(status: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nDate: Wed, 01 Jul 2026 00:00:00 GMT\r\nContent-Length: {length}\r\n\r\n{body}").into()
}

async fn answered(reply: Vec<u8>) -> Failure {
    let (url, _) = peer(reply).await;
    ask(source(&url)).await.unwrap_err()
}

const ISSUED: &str = "<AssumeRoleResponse><AssumeRoleResult><Credentials>\
    <AccessKeyId>ASIANEW</AccessKeyId><SecretAccessKey>new-key</SecretAccessKey>\
    <SessionToken>new-token</SessionToken><Expiration>2026-07-01T01:00:00Z</Expiration>\
    </Credentials></AssumeRoleResult></AssumeRoleResponse>";

#[tokio::test]
async fn a_grant_carries_what_sts_said_and_when() {
    let (url, request) = peer(reply("200 OK", ISSUED)).await;
    let grant = ask(source(&url)).await.unwrap();
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    assert_eq!(grant.credentials.access_key_id(), "ASIANEW");
    assert_eq!(grant.credentials.secret_access_key().expose(), "new-key");
    assert_eq!(grant.credentials.session_token().expose(), "new-token");
    assert_eq!(grant.credentials.expiration(), at("2026-07-01T01:00:00Z"));
    assert_eq!(grant.date, Some(at("2026-07-01T00:00:00Z")));
    assert_eq!(grant.account.unwrap().as_str(), "123456789012");

    let request = request.await.unwrap();
    let has = |text: &str| assert!(request.contains(text), "{text} is not in {request}");
    has("/eu-central-1/sts/aws4_request");
    has(TOKEN);
    has("app/assumed");
    has("DurationSeconds=3600");
    assert!(!request.contains("ExternalId"), "{request}");
}

#[tokio::test]
async fn no_message_holds_what_a_hostile_server_echoes() {
    let echo = format!(
        "<ErrorResponse><Error><Code>AccessDenied</Code><Message>you sent {TOKEN}</Message></Error></ErrorResponse>"
    );
    let failure = answered(reply("403 Forbidden", &echo)).await;
    assert_eq!(failure.message, "STS refused: you sent [redacted]");
    assert_eq!(failure.kind, Kind::Refused);
    assert_eq!(failure.code.as_deref(), Some("AccessDenied"));
    let late = echo.replace("you sent", &"word ".repeat(57));
    let failure = answered(reply("403 Forbidden", &late)).await;
    assert!(!failure.message.contains(&TOKEN[..8]), "{failure}");
    let failure = answered(reply("403 Forbidden", &echo.replace("AccessDenied", TOKEN))).await;
    assert!(!format!("{failure:?}").contains(TOKEN));
}

#[tokio::test]
async fn a_grant_with_a_part_missing_is_nonsense() {
    for (was, is) in [
        ("<SecretAccessKey>new-key</SecretAccessKey>", ""),
        ("<SessionToken>new-token</SessionToken>", "<SessionToken></SessionToken>"),
        ("2026-07-01T01:00:00Z", "soon"),
        (
            "-token</SessionToken><Expiration>2026-07-01T01:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>",
            "",
        ),
        ("</Credentials></AssumeRoleResult></AssumeRoleResponse>", ""),
        ("<AssumeRoleResponse>", "<html>"),
    ] {
        let failure = answered(reply("200 OK", &ISSUED.replace(was, is))).await;
        assert_eq!(failure.kind, Kind::Nonsense, "{is:?} for {was:?}: {failure}");
    }
}

#[tokio::test]
async fn an_answer_without_a_code_is_judged_by_its_status() {
    for (status, kind) in [
        ("200 OK", Kind::Nonsense),
        ("302 Found", Kind::Nonsense),
        ("403 Forbidden", Kind::Nonsense),
        ("500 Oops", Kind::Unreachable),
        ("503 Slow", Kind::Unreachable),
    ] {
        let failure = answered(reply(status, "<h1>captive</h1>")).await;
        assert_eq!(failure.kind, kind, "{status}: {failure}");
    }
}

#[tokio::test]
async fn a_reply_cut_short_is_an_outage() {
    for cut in [0, 10, 300] {
        let mut bytes = reply("200 OK", ISSUED);
        bytes.truncate(cut);
        let failure = answered(bytes).await;
        assert_eq!(failure.kind, Kind::Unreachable, "{failure}");
        assert_eq!(failure.message, "the connection broke before the answer was complete");
    }
}

#[tokio::test]
async fn a_reply_without_end_is_cut_off() {
    let flood = "x".repeat(2 * super::network::LONGEST_REPLY);
    let failure = answered(reply("200 OK", &flood)).await;
    assert_eq!(failure.kind, Kind::Nonsense, "{failure}");
}

#[tokio::test]
async fn a_refused_connection_is_called_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let failure = ask(source(&url)).await.unwrap_err();
    assert_eq!((failure.kind, failure.message.as_str()), (Kind::Unreachable, "connection refused"));
}

#[tokio::test]
async fn silence_ends_at_the_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut source = source(&format!("http://{}", listener.local_addr().unwrap()));
    source.timeouts.attempt = Duration::from_millis(50);
    let failure = ask(source).await.unwrap_err();
    assert_eq!(
        (failure.kind, failure.message.as_str()),
        (Kind::Unreachable, "no answer within 50ms")
    );
}

#[tokio::test]
async fn long_lived_keys_are_never_served_raw() {
    let mut source = source("http://127.0.0.1:1");
    source.hops.clear();
    let failure = ask(source).await.unwrap_err();
    assert_eq!(failure.kind, Kind::NoBase);
    assert!(failure.hint.unwrap().contains("role_arn"));
}

#[tokio::test]
async fn temporary_keys_are_served_as_they_are_though_nobody_tells_whose_they_are() {
    let mut source = source("http://127.0.0.1:1");
    source.hops.clear();
    let environment = Environment::clone(&source.environment);
    source.environment =
        Arc::new(environment.with("AWS_CREDENTIAL_EXPIRATION", "2026-07-01T00:00:00Z"));
    let grant = ask(source).await.unwrap();
    assert_eq!(grant.credentials.access_key_id(), "ASIACALLER");
    assert_eq!(grant.account, None);
}

#[tokio::test]
async fn a_failure_on_the_way_names_the_role() {
    let mut source = source("http://127.0.0.1:1");
    source.hops.push(hop("two"));
    let failure = ask(source).await.unwrap_err();
    assert_eq!(
        failure.message,
        "at arn:aws:iam::123456789012:role/one in the chain: connection refused"
    );
}
