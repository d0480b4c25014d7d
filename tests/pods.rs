//! A listener of kind "pod-identity": pods show the token of their service account.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::symlink;
use std::sync::{Arc, Mutex};

use assumed::clock::{Clock, SystemClock};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64_URL;
use common::client::{Answer, send};
use common::program::{Daemon, Home};
use common::stand::{self, Sts, sessions_of};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};

const WEB: &str = "system:serviceaccount:shop:web";

/// What signs the tokens of a cluster.
struct Key {
    pair: EcdsaKeyPair,
    kid: &'static str,
}

impl Key {
    fn new(kid: &'static str) -> Self {
        let (random, algorithm) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap();
        Self { pair, kid }
    }

    fn set(&self) -> String {
        let point = self.pair.public_key().as_ref();
        let [x, y] = [&point[1..33], &point[33..]].map(|half| BASE64_URL.encode(half));
        json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": self.kid, "x": x, "y": y}]})
            .to_string()
    }

    fn token(&self, issuer: &str, subject: &str) -> String {
        let now = SystemClock.now().wall.as_second();
        let header = json!({"alg": "ES256", "kid": self.kid});
        let claims = json!({
            "iss": issuer, "sub": subject, "aud": ["pods.eks.amazonaws.com"],
            "nbf": now - 10, "exp": now + 600,
        });
        let part = |value: &Value| BASE64_URL.encode(value.to_string());
        let text = format!("{}.{}", part(&header), part(&claims));
        let signature = self.pair.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
        format!("{text}.{}", BASE64_URL.encode(signature))
    }
}

/// An issuer that tells where its keys are, and counts how often it is asked for them.
struct Issuer {
    url: String,
    keys: Arc<Mutex<(String, u32)>>,
}

impl Issuer {
    fn start(set: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let keys = Arc::new(Mutex::new((set, 0)));
        let (held, own) = (Arc::clone(&keys), url.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut reader = BufReader::new(&stream);
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                while reader.read_line(&mut String::new()).unwrap() > 2 {}
                let body = if line.starts_with("GET /.well-known/openid-configuration ") {
                    json!({"issuer": own, "jwks_uri": format!("{own}/keys")}).to_string()
                } else {
                    let mut held = held.lock().unwrap();
                    held.1 += 1;
                    held.0.clone()
                };
                let length = body.len();
                let reply = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
                (&stream).write_all(reply.as_bytes()).unwrap();
            }
        });
        Self { url, keys }
    }

    fn asked(&self) -> u32 {
        self.keys.lock().unwrap().1
    }
}

fn settings(sts: &Sts, pod: &str) -> String {
    let endpoint = sts.emulator.endpoint_url();
    format!(
        "listen = [\"127.0.0.1:0\", {{ address = \"127.0.0.1:0\", kind = \"pod-identity\" }}]\n\
         {pod}\n[sts]\nendpoint_url = \"{endpoint}\"\n\
         [role.dev]\nrole_arn = \"arn:aws:iam::123456789012:role/deploy\"\n\
         source_profile = \"me\"\nregion = \"eu-central-1\"\n\
         [role.shop]\nrole_arn = \"arn:aws:iam::123456789012:role/shop\"\n\
         source_profile = \"me\"\nregion = \"eu-central-1\"\n"
    )
}

fn start(sts: &Sts, pod: &str) -> (Home, Daemon, SocketAddr) {
    let home = Home::new().with_credentials(&stand::keys("me"));
    let home = home.with_settings(&settings(sts, pod));
    let mut daemon = Daemon::start(home.command(&["--log-format", "json", "run"]));
    let told = daemon.find("the listener of pods", |line| line["kind"] == "pod-identity");
    let address = told["address"].as_str().unwrap().parse().unwrap();
    daemon.event("rotated");
    (home, daemon, address)
}

fn entry(issuer: &str, more: &str) -> String {
    format!(
        "[[pod]]\nissuer = \"{issuer}\"\nsubject = \"system:serviceaccount:shop:*\"\n\
         role = \"shop\"\n{more}"
    )
}

fn show(address: SocketAddr, token: &str) -> Answer {
    send(
        address,
        &format!(
            "GET /v1/credentials HTTP/1.1\r\nHost: 169.254.170.23\r\nAuthorization: {token}\r\n\
             Accept: application/json\r\nConnection: close\r\n\r\n"
        ),
    )
}

#[test]
fn k6_a_pod_gets_its_role_at_first_use_and_others_get_nothing() {
    let sts = Sts::start(sessions_of(3600));
    let key = Key::new("one");
    let issuer = Issuer::start(key.set());
    let (_home, mut daemon, address) = start(&sts, &entry(&issuer.url, ""));
    let answer = show(address, &key.token(&issuer.url, WEB));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.field("content-type"), Some("application/json"));
    let document = answer.json();
    daemon.keeps_secret(&document);
    assert!(document["AccessKeyId"].as_str().unwrap().starts_with("ASIA"));
    assert_eq!(document["AccountId"], "123456789012");
    assert!(document.get("RoleArn").is_none());
    let stranger = show(address, &key.token(&issuer.url, "system:serviceaccount:ops:web"));
    assert_eq!(stranger.status, 404, "{}", stranger.text());
    let forged = show(address, &Key::new("one").token(&issuer.url, WEB));
    assert_eq!(forged.status, 400);
    assert_eq!(forged.field("x-content-type-options"), Some("nosniff"));
    assert!(forged.text().contains("InvalidTokenException"), "{}", forged.text());
    assert_eq!(issuer.asked(), 1, "keys are fetched once, not for each request");
}

#[test]
fn k2_k4_paths_names_and_empty_tokens_are_refused_as_the_agent_does() {
    let sts = Sts::start(sessions_of(3600));
    let issuer = Issuer::start(Key::new("one").set());
    let (_home, _daemon, address) = start(&sts, &entry(&issuer.url, ""));
    let ask = |path: &str, host: &str| {
        let end = "Connection: close\r\n\r\n";
        send(address, &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{end}"))
    };
    let probe = ask("/", "169.254.170.23");
    assert_eq!((probe.status, probe.text()), (404, "404 page not found\n"));
    let unnamed = send(address, "GET /v1/credentials HTTP/1.0\r\n\r\n");
    assert_eq!(unnamed.status, 403);
    let renamed = ask("/v1/credentials", "rebound.example");
    assert_eq!(renamed.status, 403);
    assert!(renamed.text().starts_with("Access Denied."));
    let empty = ask("/v1/credentials", "[fd00:ec2::23]:80");
    assert_eq!((empty.status, empty.text()), (400, "Service account token cannot be empty\n"));
}

/// Waits until the daemon has read other keys.
fn other_keys(daemon: &mut Daemon) {
    daemon.find("other keys", |line| line["message"] == "the keys of an issuer have changed");
}

#[test]
fn a_file_of_keys_is_followed_without_a_reload() {
    let sts = Sts::start(sessions_of(3600));
    let issuer = "https://kubernetes.default.svc.cluster.local";
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("jwks.json");
    let (old, new) = (Key::new("old"), Key::new("new"));
    fs::write(&file, old.set()).unwrap();
    let named = format!("jwks_file = \"{}\"\n", file.display());
    let (_home, mut daemon, address) = start(&sts, &entry(issuer, &named));
    let (old_token, new_token) = (old.token(issuer, WEB), new.token(issuer, WEB));
    assert_eq!(show(address, &old_token).status, 200);
    fs::write(&file, new.set()).unwrap();
    other_keys(&mut daemon);
    assert_eq!(show(address, &new_token).status, 200);
    assert_eq!(show(address, &old_token).status, 400, "the key was removed, and its token known");
    let beside = scratch.path().join("beside");
    fs::write(&beside, old.set()).unwrap();
    fs::rename(&beside, &file).unwrap();
    other_keys(&mut daemon);
    assert_eq!(show(address, &old_token).status, 200);
    assert_eq!(show(address, &new_token).status, 400);
    fs::write(&file, "half of a file").unwrap();
    daemon.find("the failure", |line| line["event"] == "issuer_keys" && line["level"] == "WARN");
    assert_eq!(show(address, &old_token).status, 200, "the keys of before count");
    fs::write(&file, "{\"keys\": []}").unwrap();
    daemon.find("that none is left", |line| {
        let message = line["message"].as_str().unwrap_or_default();
        message.starts_with("the key set of an issuer has no key that can be used")
    });
    assert_eq!(show(address, &old_token).status, 400);
    fs::write(&file, new.set()).unwrap();
    daemon.signal("-HUP");
    other_keys(&mut daemon);
    assert_eq!(show(address, &new_token).status, 200);
}

#[test]
fn a_config_map_of_kubernetes_is_followed() {
    let sts = Sts::start(sessions_of(3600));
    let issuer = "https://kubernetes.default.svc.cluster.local";
    let scratch = tempfile::tempdir().unwrap();
    let volume = scratch.path();
    let version = |name: &str, key: &Key| {
        fs::create_dir(volume.join(name)).unwrap();
        fs::write(volume.join(name).join("jwks.json"), key.set()).unwrap();
    };
    let (old, new) = (Key::new("old"), Key::new("new"));
    version("..1", &old);
    symlink("..1", volume.join("..data")).unwrap();
    symlink("..data/jwks.json", volume.join("jwks.json")).unwrap();
    let named = format!("jwks_file = \"{}\"\n", volume.join("jwks.json").display());
    let (_home, mut daemon, address) = start(&sts, &entry(issuer, &named));
    assert_eq!(show(address, &old.token(issuer, WEB)).status, 200);
    version("..2", &new);
    symlink("..2", volume.join("..data_tmp")).unwrap();
    fs::rename(volume.join("..data_tmp"), volume.join("..data")).unwrap();
    fs::remove_dir_all(volume.join("..1")).unwrap();
    other_keys(&mut daemon);
    assert_eq!(show(address, &new.token(issuer, WEB)).status, 200);
    assert_eq!(show(address, &old.token(issuer, WEB)).status, 400);
}

#[test]
fn k9_forged_tokens_are_limited_and_what_was_verified_is_served_on() {
    let sts = Sts::start(sessions_of(3600));
    let key = Key::new("one");
    let issuer = Issuer::start(key.set());
    let (_home, mut daemon, address) = start(&sts, &entry(&issuer.url, ""));
    let token = key.token(&issuer.url, WEB);
    assert_eq!(show(address, &token).status, 200);
    let evil = Key::new("one");
    let answers: Vec<u16> =
        (0..120).map(|_| show(address, &evil.token(&issuer.url, WEB)).status).collect();
    assert!(answers[..50].iter().all(|status| *status == 400), "{answers:?}");
    assert!(answers.contains(&429), "{answers:?}");
    let limited = (0..100).map(|_| show(address, "a.b.c")).find(|answer| answer.status == 429);
    assert_eq!(limited.unwrap().text(), "Too Many Requests\n");
    assert_eq!(show(address, &token).status, 200);
    daemon.find("the line about it", |line| line["event"] == "pod_limit");
    let log = daemon.log();
    for event in ["pod_limit", "pod_refused"] {
        assert_eq!(log.matches(&format!("\"event\":\"{event}\"")).count(), 1, "{event}: {log}");
    }
}

#[test]
fn k4_a_token_for_another_recipient_is_told_so() {
    let sts = Sts::start(sessions_of(3600));
    let key = Key::new("one");
    let issuer = Issuer::start(key.set());
    let other = entry(&issuer.url, "audience = \"vault\"\n");
    let (_home, _daemon, address) = start(&sts, &other);
    let answer = show(address, &key.token(&issuer.url, WEB));
    let text = "Service account token failed basic claim validations: \
                token has invalid claims: token has invalid audience\n";
    assert_eq!((answer.status, answer.text()), (400, text));
}

#[test]
fn an_issuer_that_is_down_is_told_of_and_asked_again() {
    let sts = Sts::start(sessions_of(3600));
    let key = Key::new("one");
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let (_home, mut daemon, address) = start(&sts, &entry(&url, ""));
    let told = daemon.log();
    assert!(told.contains("the issuer: connection refused"), "{told}");
    let answer = show(address, &key.token(&url, WEB));
    assert_eq!(answer.status, 503);
}

#[test]
fn keys_of_a_file_that_is_not_named_any_more_count_for_nothing() {
    let sts = Sts::start(sessions_of(3600));
    let (issuer, key) = ("https://kubernetes.default.svc.cluster.local", Key::new("one"));
    let scratch = tempfile::tempdir().unwrap();
    let entry_with = |name: &str| {
        let file = scratch.path().join(name);
        entry(issuer, &format!("jwks_file = \"{}\"\n", file.display()))
    };
    fs::write(scratch.path().join("old.json"), key.set()).unwrap();
    let (home, mut daemon, address) = start(&sts, &entry_with("old.json"));
    assert_eq!(show(address, &key.token(issuer, WEB)).status, 200);
    let _home = home.with_settings(&settings(&sts, &entry_with("missing.json")));
    daemon.signal("-HUP");
    daemon.event("reload");
    let answer = show(address, &key.token(issuer, WEB));
    assert_eq!(answer.status, 503);
}

#[test]
fn k6_an_issuer_that_hangs_keeps_no_other_cluster_waiting() {
    let sts = Sts::start(sessions_of(3600));
    let key = Key::new("one");
    let issuer = Issuer::start(key.set());
    let url = |mute: &TcpListener| format!("http://{}", mute.local_addr().unwrap());
    // Its name is the first of the two.
    let mute = std::iter::repeat_with(|| TcpListener::bind("127.0.0.1:0").unwrap())
        .find(|mute| url(mute) < issuer.url)
        .unwrap();
    let hanging = url(&mute);
    let pods = format!("{}{}", entry(&hanging, ""), entry(&issuer.url, ""));
    let (_home, _daemon, address) = start(&sts, &pods);
    let hung_up_on = mute.accept().unwrap();
    assert_eq!(show(address, &key.token(&issuer.url, WEB)).status, 200);
    drop(hung_up_on);
}
