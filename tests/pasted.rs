//! The examples of docs/sources.md, pasted as they stand and served: with the tools
//! and files that they name, against the embedded STS.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use assumed::clock::{Clock, SystemClock};
use assumed::emulator::{DEMO_ACCESS_KEY_ID, DEMO_SECRET_ACCESS_KEY};
use common::client::Client;
use common::identity::{response, token};
use common::program::{Daemon, Home, SETTINGS};
use common::stand::{Sts, keys, sessions_of};
use jiff::SignedDuration;

const PAIR: &str =
    "arn:aws:iam::123456789012:role/corp,arn:aws:iam::123456789012:saml-provider/corp";
/// Those that ask somebody else than STS first.
const ELSEWHERE: [&str; 4] = ["reader", "tool", "task", "instance"];

/// The blocks of the page in this language, with the name that each gives.
fn blocks(language: &str) -> Vec<(String, String)> {
    let mark = format!("```{language}\n");
    let page = include_str!("../docs/sources.md");
    let blocks = page.split(&mark).skip(1).map(|rest| rest.split("```").next().unwrap());
    let named = blocks.map(|block| {
        let head = block.split(['[', ']']).nth(1).unwrap();
        (head.rsplit([' ', '.']).next().unwrap().to_owned(), block.to_owned())
    });
    named.filter(|(name, _)| !ELSEWHERE.contains(&name.as_str())).collect()
}

/// A home with the files and the tools that the examples name.
fn home() -> Home {
    let home = Home::new().with_credentials(&keys("me"));
    let (now, life) = (SystemClock.now().wall, SignedDuration::from_mins(5));
    let (token, response) = (token(now, life), response(now, life, PAIR));
    home.put("token", &token);
    home.put(".cache/saml-response", &response);
    for (tool, file) in [
        ("pass", "code"),
        ("op", "code"),
        ("fetch-id-token", "token"),
        ("saml-login", ".cache/saml-response"),
    ] {
        let script = format!("#!/bin/sh\ncat {}\n", home.path().join(file).display());
        home.put(&format!("bin/{tool}"), &script);
        let path = home.path().join("bin").join(tool);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    home.put("code", "314159");
    home
}

#[test]
fn each_example_is_served_as_it_stands() {
    let profiles = blocks("ini").into_iter().map(|(name, text)| (name, text, true));
    let tables = blocks("toml").into_iter().map(|(name, text)| (name, text, false));
    let examples: Vec<_> = profiles.chain(tables).collect();
    assert!(examples.len() >= 13, "{examples:?}");
    for (name, text, is_profile) in examples {
        let (sts, home) = (Sts::start(sessions_of(3600)), home());
        let own = home.path().join("token");
        let text = text.replace("/var/run/secrets/tokens/aws", own.to_str().unwrap());
        let mut arguments = vec!["--log-format", "json", "run", "--listen", "127.0.0.1:0"];
        if is_profile {
            home.put(".aws/config", &text);
            arguments.extend(["--profile", &name]);
        } else {
            home.put(SETTINGS, &text);
        }
        let mut command = home.command(&arguments);
        let bin = home.path().join("bin");
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        command.env("PATH", path).env("AWS_ENDPOINT_URL_STS", sts.emulator.endpoint_url());
        command.env("AWS_ACCESS_KEY_ID", DEMO_ACCESS_KEY_ID);
        command.env("AWS_SECRET_ACCESS_KEY", DEMO_SECRET_ACCESS_KEY);
        let mut daemon = Daemon::start(command);
        let client = Client::new(daemon.address());
        daemon.event("rotated");
        let document = client.credentials().json();
        assert!(document["AccessKeyId"].as_str().unwrap().starts_with("ASIA"), "{text}");
        daemon.keeps_secret(&document);
        assert_eq!(daemon.end("-TERM").code(), Some(0));
    }
}
