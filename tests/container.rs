//! The container endpoint of the whole program, beside IMDS and over restarts.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use assumed::clock::{Clock, SystemClock};
use assumed::container::{Consumers, Order, Place};
use assumed::emulator::{Code, Fault, Role, Trust};
use assumed::secret::Secret;
use assumed::sys::vault::LEDGER;
use common::client::{self, Answer, Client};
use common::program::{Daemon, Ended, Home};
use common::stand::{self, Sts, sessions_of};
use serde_json::json;

const ROLE: &str = "/v1/credentials/dev";
const LISTENERS: &str =
    "listen = [\"127.0.0.1:0\", { address = \"127.0.0.1:0\", kind = \"container\" }]\n";

/// A home whose state directory knows two consumers, and the secrets of both.
struct Stage {
    home: Home,
    sts: Sts,
    secret: Secret,
    path: String,
}

impl Stage {
    fn new(seconds: u64, settings: &str) -> Self {
        let sts = Sts::start(sessions_of(seconds));
        let (config, credentials) = stand::profile(&sts);
        let home = Home::new().with_config(&config).with_credentials(&credentials);
        fs::write(home.path().join("assumed.toml"), settings).unwrap();
        let mut consumers = Consumers::default();
        let secret = minted(&mut consumers, "ci", Place::Authorization);
        let path = minted(&mut consumers, "old", Place::Path);
        fs::create_dir_all(home.state()).unwrap();
        let ledger = home.state().join(LEDGER);
        fs::write(&ledger, consumers.ledger(SystemClock.now())).unwrap();
        fs::set_permissions(ledger, fs::Permissions::from_mode(0o600)).unwrap();
        Self { home, sts, secret, path: format!("/v2/credentials/{}", path.expose()) }
    }

    fn command(&self) -> Command {
        let settings = self.home.path().join("assumed.toml");
        let mut command = self.home.command(&["--log-format", "json", "run", "--profile", "dev"]);
        command.arg("--config").arg(settings);
        command
    }

    fn start(&self) -> Daemon {
        let mut daemon = Daemon::start(self.command());
        let path = self.path.rsplit('/').next().unwrap();
        daemon.keeps_secret(&json!({ "Token": self.secret.expose() }));
        daemon.keeps_secret(&json!({ "Token": path }));
        daemon
    }

    fn get(&self, address: SocketAddr, path: &str) -> Answer {
        let field = format!("Authorization: {}\r\n", self.secret.expose());
        get(address, path, &field)
    }
}

fn minted(consumers: &mut Consumers, name: &str, place: Place) -> Secret {
    let bits: [u8; 32] = std::array::from_fn(|n| u8::try_from(n).unwrap() ^ name.as_bytes()[0]);
    let name = name.parse().unwrap();
    let (role, narrowing) = ("dev".into(), None);
    let order = Order { name, role, place, lifetime: None, kept: true, narrowing };
    consumers.mint(order, &bits, SystemClock.now()).unwrap()
}

fn address(daemon: &mut Daemon, kind: &str) -> SocketAddr {
    let line = daemon.find(&format!("{kind} listener"), |line| {
        line["event"] == "listening" && line["kind"] == kind
    });
    line["address"].as_str().unwrap().parse().unwrap()
}

fn get(address: SocketAddr, path: &str, fields: &str) -> Answer {
    let head =
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{fields}\r\n");
    client::send(address, &head)
}

fn is(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, &answer.json()["code"]), (status, &code.into()), "{}", answer.head);
    assert_eq!(answer.json()["HTTPErrorCode"], status);
}

// S5, S6
#[test]
fn both_endpoints_serve_one_generation() {
    let stage = Stage::new(3600, LISTENERS);
    let mut daemon = stage.start();
    let imds = Client::new(address(&mut daemon, "imds"));
    let container = address(&mut daemon, "container");
    for _ in 0..2 {
        daemon.event("rotated");
        let answer = stage.get(container, ROLE);
        assert_eq!(answer.status, 200, "{}", answer.head);
        assert_eq!(answer.field("content-type"), Some("application/json"));
        let document = answer.json();
        daemon.keeps_secret(&document);
        assert_eq!(document["AccessKeyId"], imds.key_id().as_str());
        assert_eq!(document["RoleArn"], "arn:aws:iam::123456789012:role/team/deploy");
        assert_eq!(document["AccountId"], "123456789012");
        assert_eq!(get(container, &stage.path, "").body, answer.body);
        daemon.signal("-USR1");
    }
    let ended = daemon.end("-TERM");
    assert_eq!(ended.code(), Some(0));
}

#[test]
fn who_may_not_ask_is_told_as_the_table_says() {
    let stage = Stage::new(3600, LISTENERS);
    let mut daemon = stage.start();
    let container = address(&mut daemon, "container");
    daemon.event("rotated");
    let authorization = format!("Authorization: {}\r\n", stage.secret.expose());
    is(&get(container, ROLE, ""), 401, "Unauthorized");
    is(&get(container, ROLE, "Authorization: guess\r\n"), 401, "Unauthorized");
    is(&get(container, ROLE, &authorization.repeat(2)), 401, "Unauthorized");
    is(&stage.get(container, "/v1/credentials/"), 400, "NoIdInRequest");
    is(&stage.get(container, "/v1/credentials/prod"), 400, "InvalidIdInRequest");
    is(&get(container, "/v2/credentials/guess", ""), 400, "InvalidIdInRequest");
    is(&stage.get(container, "/latest/meta-data/"), 404, "NotFound");
    for field in ["Origin: http://localhost", "Sec-Fetch-Site: none", "X-Forwarded-For: 10.0.0.1"] {
        let refused = get(container, ROLE, &format!("{authorization}{field}\r\n"));
        assert_eq!((refused.status, refused.body.len()), (403, 0), "{field}");
    }
    let rebound = format!("GET {ROLE} HTTP/1.0\r\nHost: evil.example\r\n{authorization}\r\n");
    assert_eq!(client::send(container, &rebound).status, 403);
    let posted = format!(
        "POST {ROLE} HTTP/1.1\r\nHost: {container}\r\nConnection: close\r\n{authorization}\r\n"
    );
    let refused = client::send(container, &posted);
    is(&refused, 405, "MethodNotAllowed");
    assert_eq!(refused.field("allow"), Some("GET, HEAD"));
    daemon.end("-TERM");
}

#[test]
fn a_connection_stays_open_as_http_has_it() {
    let stage = Stage::new(3600, LISTENERS);
    let mut daemon = stage.start();
    let container = address(&mut daemon, "container");
    daemon.event("rotated");
    let one = |more: &str| {
        let secret = stage.secret.expose();
        format!(
            "GET //v1/credentials/dev/?a=b HTTP/1.1\r\nHost: {container}\r\nAuthorization: {secret}\r\n{more}\r\n"
        )
    };
    let both = client::send(container, &format!("{}{}", one(""), one("Connection: close\r\n")));
    let text = String::from_utf8(both.body).unwrap();
    assert!(!both.head.to_ascii_lowercase().contains("connection:"), "{}", both.head);
    assert!(text.contains("}HTTP/1.1 200 OK\r\n"), "{text}");
    assert!(text.contains("\r\nConnection: close\r\n"), "{text}");
}

#[test]
fn consumers_find_the_same_port_after_a_restart() {
    let stage = Stage::new(3600, "listen = [\"127.0.0.1:0\"]\n");
    let mut daemon = stage.start();
    let first = address(&mut daemon, "container");
    daemon.event("rotated");
    assert_eq!(stage.get(first, ROLE).status, 200);
    daemon.end("-KILL");
    let mut daemon = stage.start();
    assert_eq!(address(&mut daemon, "container"), first);
    daemon.event("rotated");
    assert_eq!(stage.get(first, ROLE).status, 200);
    daemon.signal("-HUP");
    assert_eq!(daemon.event("reload")["message"], "settings read again; nothing changed");
    assert_eq!(stage.get(first, ROLE).status, 200, "it does not go with a reload");
    daemon.end("-TERM");
}

#[test]
fn without_consumers_nothing_more_is_bound() {
    let stage = Stage::new(3600, "listen = [\"127.0.0.1:0\"]\n");
    fs::remove_file(stage.home.state().join(LEDGER)).unwrap();
    let mut daemon = stage.start();
    daemon.event("rotated");
    assert!(!daemon.log().contains("\"container\""));
    daemon.end("-TERM");
}

#[test]
fn a_ledger_that_others_could_write_ends_the_start() {
    let stage = Stage::new(3600, LISTENERS);
    let ledger = stage.home.state().join(LEDGER);
    fs::set_permissions(&ledger, fs::Permissions::from_mode(0o666)).unwrap();
    let ended = Ended::of(stage.command());
    assert_eq!(ended.code(), Some(78), "{}", ended.stderr);
    assert!(ended.stderr.contains("can be read or written by others"), "{}", ended.stderr);
    assert!(ledger.exists());
}

#[test]
fn before_the_first_set_it_is_503_and_after_a_refusal_403() {
    let stage = Stage::new(3600, LISTENERS);
    stage.sts.emulator.script(|script| script.standing = Some(Fault::Reset));
    let mut daemon = stage.start();
    let container = address(&mut daemon, "container");
    daemon.event("failed");
    is(&stage.get(container, ROLE), 503, "CredentialsUninitialized");
    stage.sts.emulator.script(|script| {
        script.standing = None;
        script.roles.others = Some(Role { trust: Trust::Nobody, ..Role::default() });
    });
    daemon.signal("-USR1");
    daemon.find("refusal", |line| line["code"] == "AccessDenied");
    is(&stage.get(container, ROLE), 403, "AccessDenied");
    stage.sts.emulator.script(|script| script.roles.others = Some(Role::default()));
    daemon.signal("-USR1");
    daemon.event("rotated");
    assert_eq!(stage.get(container, ROLE).status, 200);
}

#[test]
fn an_outage_across_expiry_ends_in_500() {
    let stage = Stage::new(3, LISTENERS);
    let mut daemon = stage.start();
    let container = address(&mut daemon, "container");
    daemon.event("rotated");
    let fault = Fault::Error(Code::InternalFailure);
    stage.sts.emulator.script(|script| script.standing = Some(fault));
    daemon.event("failed");
    let last = std::iter::repeat_with(|| stage.get(container, ROLE))
        .find(|answer| answer.status != 200)
        .unwrap();
    is(&last, 500, "InternalServerError");
}
