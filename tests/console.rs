//! `assumed console`, against a stand-in for the federation endpoint.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::thread::JoinHandle;

use common::client::Client;
use common::control::{Done, verb};
use common::program::{Daemon, Home, wait_for};
use common::stand::{self, Sts, sessions_of};
use serde_json::Value;

const RUN: [&str; 7] =
    ["--log-format", "json", "run", "--profile", "dev", "--listen", "127.0.0.1:0"];

fn serving() -> (Sts, Home, Daemon, Client) {
    let sts = Sts::start(sessions_of(3600));
    let (config, credentials) = stand::profile(&sts);
    let home = Home::new().with_config(&config).with_credentials(&credentials);
    let mut daemon = Daemon::start(home.command(&RUN));
    let client = Client::new(daemon.address());
    daemon.event("rotated");
    (sts, home, daemon, client)
}

/// Answers one request so; gives its URL, and the request.
fn signin(status: &str, body: &str) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/federation", listener.local_addr().unwrap());
    let length = body.len();
    let reply =
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
    let heard = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut text = String::new();
        let mut part = [0; 4096];
        while !is_whole(&text) {
            let count = stream.read(&mut part).unwrap();
            text.push_str(std::str::from_utf8(&part[..count]).unwrap());
        }
        stream.write_all(reply.as_bytes()).unwrap();
        text
    });
    (url, heard)
}

fn is_whole(text: &str) -> bool {
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap())
    });
    body.len() >= length.unwrap_or_default()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn the_url_holds_a_token_that_the_served_credentials_were_traded_for() {
    let (_sts, home, daemon, client) = serving();
    let (endpoint, heard) = signin("200 OK", r#"{"SigninToken":"VCQgs5qZZt3Q6fn8/+x"}"#);
    let url = verb(&home, &["console", "--endpoint", &endpoint]).well();
    assert_eq!(
        url,
        format!(
            "{endpoint}?Action=login&Issuer=assumed&Destination=https%3A%2F%2Fconsole.aws.amazon.com%2F\
             console%2Fhome%3Fregion%3Deu-central-1&SigninToken=VCQgs5qZZt3Q6fn8%2F%2Bx\n"
        )
    );
    let request = heard.join().unwrap();
    assert!(
        request.starts_with("POST /federation HTTP/1.1\r\n"),
        "no key stands in a URL: {request}"
    );
    let body = request.split("\r\n\r\n").nth(1).unwrap();
    let session = body.strip_prefix("Action=getSigninToken&Session=").unwrap();
    let session: Value = serde_json::from_str(&decoded(session)).unwrap();
    let served = client.credentials().json();
    for (member, part) in
        [("sessionId", "AccessKeyId"), ("sessionKey", "SecretAccessKey"), ("sessionToken", "Token")]
    {
        assert_eq!(session[member], served[part], "{member}");
    }
    daemon.end("-TERM");
}

#[test]
fn a_browser_opens_it_where_one_is_wished() {
    let (_sts, home, daemon, _) = serving();
    let opened = home.path().join("opened");
    let browser = home.path().join("xdg-open");
    fs::write(&browser, format!("#!/bin/sh\necho \"$1\" > {}\n", opened.display())).unwrap();
    fs::set_permissions(&browser, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", home.path().display(), std::env::var("PATH").unwrap_or_default());
    let (endpoint, _) = signin("200 OK", r#"{"SigninToken":"token"}"#);
    let page = "https://console.aws.amazon.com/s3";
    let arguments = ["console", "dev", "--open", "--destination", page, "--endpoint", &endpoint];
    let done = Done::of(home.command(&arguments).env("PATH", path));
    assert_eq!(done.well(), "", "what a browser opens is not printed");
    wait_for(&opened, "Destination=https%3A%2F%2Fconsole.aws.amazon.com%2Fs3&SigninToken=token");
    daemon.end("-TERM");
}

#[test]
fn each_trouble_has_its_code_and_nothing_secret_is_said() {
    let (_sts, home, daemon, client) = serving();
    let secret = client.credentials().json()["SecretAccessKey"].as_str().unwrap().to_owned();
    for (status, body, code, words) in [
        (
            "400 Bad Request",
            secret.as_str(),
            77,
            "the sign-in service answered HTTP 400\nhint: it takes",
        ),
        ("503 Slow Down", "", 69, "the sign-in service answered HTTP 503"),
        ("200 OK", secret.as_str(), 69, "the sign-in service answered without a sign-in token"),
        ("200 OK", "{\"SigninToken\":7}", 69, "without a sign-in token"),
    ] {
        let (endpoint, _) = signin(status, body);
        let complaint = verb(&home, &["console", "--endpoint", &endpoint]).ill(code);
        assert!(complaint.contains(words) && !complaint.contains(&secret), "{complaint}");
    }
    let complaint = verb(&home, &["console", "--endpoint", "http://127.0.0.1:1/"]).ill(69);
    assert!(
        complaint.starts_with("assumed: the sign-in service: connection refused"),
        "{complaint}"
    );
    verb(&home, &["console", "prod"]).ill(64);
    verb(&home, &["lock"]).well();
    verb(&home, &["console"]).ill(69);
    daemon.end("-TERM");
}
