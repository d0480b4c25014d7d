//! The public keys of an OIDC issuer, which its discovery document leads to.
//!
//! Not STS, but reached like STS: with the proxy and the certificate authorities of a role. No
//! redirect is followed, and keys that anybody on the network could replace are worth nothing.

use std::net::IpAddr;

use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use serde_json::Value;

use super::network::Network;
use super::request::{Route, Timeouts};
use super::transport::{timed_out, transport};
use crate::failure::{Failure, Kind};

/// Who can change what a URL leads to, besides its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Channel {
    /// Nobody.
    Encrypted,
    /// Programs of this host.
    Loopback,
}

/// The key set that an issuer publishes.
///
/// # Errors
/// If the issuer cannot be reached, does not lead to keys, or leads to them over an unencrypted
/// connection.
pub async fn issuer_keys(
    issuer: &str,
    route: Route,
    timeouts: Timeouts,
) -> Result<String, Failure> {
    let limit = timeouts.operation;
    let outcome = tokio::time::timeout(limit, discover(issuer, route, timeouts)).await;
    outcome.unwrap_or_else(|_| Err(in_words(timed_out("no answer", limit))))
}

async fn discover(issuer: &str, route: Route, timeouts: Timeouts) -> Result<String, Failure> {
    let own = channel(issuer).ok_or_else(|| broken("has no URL with https"))?;
    // A proxy has no loopback of ours.
    let (network, here) = (Network::new(timeouts, route), Network::new(timeouts, Route::default()));
    let way = |channel| if channel == Channel::Loopback { &here } else { &network };
    let base = issuer.trim_end_matches('/');
    let document = format!("{base}/.well-known/openid-configuration");
    let document = fetch(way(own), &document, timeouts).await?;
    let document: Value = serde_json::from_str(&document).unwrap_or_default();
    if document.get("issuer").and_then(Value::as_str) != Some(issuer) {
        return Err(broken("tells of another issuer").hint("is it spelt as in the tokens?"));
    }
    let place = document.get("jwks_uri").and_then(Value::as_str);
    let place = place.ok_or_else(|| broken("does not tell where its keys are"))?;
    match channel(place) {
        Some(channel) if channel == Channel::Encrypted || channel == own => {
            fetch(way(channel), place, timeouts).await
        }
        _ => Err(broken("has its keys where nothing is encrypted")),
    }
}

/// Nothing for URLs that others can change, and for those that are none.
fn channel(url: &str) -> Option<Channel> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#', '\\']).next()?;
    if authority.contains('@') {
        return None;
    }
    if scheme.eq_ignore_ascii_case("https") {
        return Some(Channel::Encrypted);
    }
    let host = match authority.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']')?.0,
        None => authority.split(':').next()?,
    };
    let is_loopback = host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    (scheme.eq_ignore_ascii_case("http") && is_loopback).then_some(Channel::Loopback)
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
    let body = body.map_err(|_| broken("answered with too much, or broke off"))?.to_vec();
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

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::sts::network::LONGEST_REPLY;

    #[test]
    fn others_can_change_what_is_not_encrypted_and_not_here() {
        for url in ["https://a", "HTTPS://a.example/x", "https://10.0.0.1:8443/x?y#z"] {
            assert_eq!(channel(url), Some(Channel::Encrypted), "{url}");
        }
        for url in
            ["http://localhost/x", "http://127.0.0.1:80", "http://[::1]:80/", "HTTP://LOCALHOST:1"]
        {
            assert_eq!(channel(url), Some(Channel::Loopback), "{url}");
        }
        for url in [
            "",
            "x",
            "//a",
            "http://a",
            "http://10.0.0.1",
            "http://localhost.example",
            "http://127.0.0.1.example/",
            "http://localhost@evil.example/",
            "https://localhost@evil.example/",
            "http://evil.example/localhost",
            "http://evil.example#localhost",
            "http://evil.example\\@localhost/",
            "ftp://localhost",
            "file:///etc/jwks.json",
            "http://[::1",
            "http:localhost",
            " http://localhost",
            "http:///localhost",
        ] {
            assert_eq!(channel(url), None, "{url}");
        }
    }

    /// An issuer that gives these answers, one for each request; and what it was asked.
    async fn issuer(answers: Vec<String>) -> (String, Arc<Mutex<Vec<String>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (asked, own) = (Arc::<Mutex<Vec<String>>>::default(), url.clone());
        let requests = Arc::clone(&asked);
        tokio::spawn(async move {
            let mut unfinished = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = [0; 4096];
                let count = stream.read(&mut head).await.unwrap();
                let line = String::from_utf8_lossy(&head[..count]);
                let line = line.lines().next().unwrap_or_default().to_owned();
                requests.lock().unwrap().push(line);
                let _ = stream.write_all(answer.replace("OWN", &own).as_bytes()).await;
                if answer.contains("content-length: 10") {
                    unfinished.push(stream);
                }
            }
            std::future::pending::<()>().await;
        });
        (url, asked)
    }

    fn ok(body: &str) -> String {
        format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{body}")
    }

    async fn ask(url: &str) -> Result<String, String> {
        let operation = Duration::from_millis(700);
        let timeouts = Timeouts { operation, ..Timeouts::default() };
        let keys = issuer_keys(url, Route::default(), timeouts).await;
        keys.map_err(|failure| failure.message)
    }

    #[tokio::test]
    async fn keys_are_asked_of_where_the_document_says() {
        let document = ok(r#"{"issuer": "OWN", "jwks_uri": "OWN/keys?v=1"}"#);
        let (url, asked) = issuer(vec![document, ok("{\"keys\": []}")]).await;
        assert_eq!(ask(&url).await.unwrap(), "{\"keys\": []}");
        let lines = ["GET /.well-known/openid-configuration HTTP/1.1", "GET /keys?v=1 HTTP/1.1"];
        assert_eq!(*asked.lock().unwrap(), lines);
    }

    #[tokio::test]
    async fn no_other_place_is_followed() {
        let (other, asked) = issuer(vec![ok("{\"keys\": []}")]).await;
        let moved =
            |to: &str| format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n");
        let document = |issuer: &str, keys: &str| {
            ok(&format!(r#"{{"issuer": "{issuer}", "jwks_uri": "{keys}"}}"#))
        };
        for (answers, expected) in [
            (vec![moved(&other)], "the issuer answered HTTP 302"),
            (vec![document("OWN", "OWN/keys"), moved(&other)], "the issuer answered HTTP 302"),
            (vec![document("https://evil.example", &other)], "the issuer tells of another issuer"),
            (vec![document("OWN/", &other)], "the issuer tells of another issuer"),
            (
                vec![document("OWN", "http://10.0.0.1/keys")],
                "the issuer has its keys where nothing is encrypted",
            ),
            (
                vec![document("OWN", "http://localhost@10.0.0.1/keys")],
                "the issuer has its keys where nothing is encrypted",
            ),
            (
                vec![document("OWN", "file:///etc/jwks.json")],
                "the issuer has its keys where nothing is encrypted",
            ),
            (vec![document("OWN", "/keys")], "the issuer has its keys where nothing is encrypted"),
            (
                vec![ok(r#"{"issuer": "OWN", "jwks_uri": 1}"#)],
                "the issuer does not tell where its keys are",
            ),
            (vec![ok("<html>")], "the issuer tells of another issuer"),
            (vec![ok("\u{0}")], "the issuer tells of another issuer"),
        ] {
            let (url, _) = issuer(answers).await;
            assert_eq!(ask(&url).await.unwrap_err(), expected);
        }
        assert!(asked.lock().unwrap().is_empty(), "nobody else was asked");
        let unencrypted = ask("http://10.0.0.1").await.unwrap_err();
        assert_eq!(unencrypted, "the issuer has no URL with https");
    }

    #[tokio::test]
    async fn a_long_answer_is_cut_and_a_slow_one_given_up() {
        let long = "x".repeat(LONGEST_REPLY + 1);
        let (url, _) = issuer(vec![ok(&long)]).await;
        assert_eq!(ask(&url).await.unwrap_err(), "the issuer answered with too much, or broke off");
        let document = ok(r#"{"issuer": "OWN", "jwks_uri": "OWN/keys"}"#);
        let (url, _) = issuer(vec![document.clone(), ok(&long)]).await;
        assert_eq!(ask(&url).await.unwrap_err(), "the issuer answered with too much, or broke off");
        let endless = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{".to_owned();
        for answers in [vec![endless.clone()], vec![document, endless]] {
            let (url, _) = issuer(answers).await;
            assert_eq!(ask(&url).await.unwrap_err(), "the issuer: no answer within 700ms");
        }
    }
}
