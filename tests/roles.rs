//! Several roles in one daemon: who is served which, and when each is assumed.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use assumed::emulator::{Code, Fault};
use common::client::{Client, ROLE_LIST};
use common::command::{Running, until};
use common::control::{ask, events, verb};
use common::program::{Daemon, Home, SETTINGS};
use common::stand::{self, Sts, sessions_of};

const RUN: [&str; 3] = ["--log-format", "json", "run"];
const TWO: &str = "listen = [\"127.0.0.1:0\", { address = \"127.0.0.1:0\", role = \"audit\" }]\n";

/// Three roles of these names, and settings of one's own before them.
fn settings(sts: &Sts, top: &str) -> String {
    let endpoint = sts.emulator.endpoint_url();
    let mut text = format!("{top}\n[sts]\nendpoint_url = \"{endpoint}\"\n");
    for (name, more) in [("dev", ""), ("ops", ""), ("audit", "protected = true\n")] {
        let arn = format!("arn:aws:iam::123456789012:role/{name}-role");
        let keys = "source_profile = \"me\"\nregion = \"eu-central-1\"";
        writeln!(text, "[role.{name}]\nrole_arn = \"{arn}\"\n{keys}\n{more}").unwrap();
    }
    text
}

fn home(sts: &Sts, top: &str) -> Home {
    Home::new().with_credentials(&stand::keys("me")).with_settings(&settings(sts, top))
}

fn socket(home: &Home) -> PathBuf {
    home.path().join("assumed/control.sock")
}

/// A daemon whose active role is served.
fn serving(home: &Home) -> Daemon {
    let mut daemon = Daemon::start(home.command(&RUN));
    daemon.event("rotated");
    daemon
}

/// The listener that serves what is active, and that of `audit`.
fn addresses(home: &Home) -> [SocketAddr; 2] {
    let status = ask(&socket(home), "GET", "/v1/status", "").json();
    let at = |own: bool| {
        let mut listeners = status["listeners"].as_array().unwrap().iter();
        let found = listeners.find(|it| (it["role"] == "audit") == own).unwrap();
        found["address"].as_str().unwrap().parse().unwrap()
    };
    [at(false), at(true)]
}

fn listed(client: &Client) -> String {
    client.get(ROLE_LIST).text().to_owned()
}

fn key_id(client: &Client) -> String {
    client.get(&format!("{ROLE_LIST}{}", listed(client))).json()["AccessKeyId"].to_string()
}

fn state(home: &Home, role: &str) -> String {
    let roles = ask(&socket(home), "GET", "/v1/roles", "").json()["roles"].clone();
    let found = roles.as_array().unwrap().iter().find(|it| it["name"] == role).cloned();
    found.unwrap()["state"].as_str().unwrap().to_owned()
}

/// Which roles STS was asked for, in order.
fn assumed(sts: &Sts) -> Vec<String> {
    let name = |arn: &String| arn.rsplit('/').next().unwrap().trim_end_matches("-role").to_owned();
    sts.emulator.asked().iter().filter_map(|it| it.parameters.get("RoleArn").map(name)).collect()
}

#[test]
fn each_listener_serves_its_role_and_none_is_assumed_before_somebody_asks() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts, TWO);
    let daemon = serving(&home);
    assert_eq!(assumed(&sts), ["dev"], "the active one, at the start");
    assert_eq!((state(&home, "dev"), state(&home, "audit")), ("fresh".into(), "resting".into()));
    let [shared, own] = addresses(&home).map(Client::new);
    assert_eq!((listed(&shared), listed(&own)), ("dev-role".into(), "audit-role".into()));
    assert_ne!(key_id(&shared), key_id(&own), "one wait, and the other is there");
    assert_eq!(assumed(&sts), ["dev", "audit"]);
    until("the other is fresh", || state(&home, "audit") == "fresh");
    let text = verb(&home, &["status"]).well();
    assert!(text.contains("always audit"), "{text}");
    let looked = verb(&home, &["doctor"]).stdout;
    assert!(looked.contains("lists dev-role") && looked.contains("lists audit-role"), "{looked}");
    assert!(looked.contains("valid; roles dev, ops, audit"), "{looked}");
    let lines = verb(&home, &["env", "audit"]).well();
    assert!(lines.contains(&addresses(&home)[1].to_string()), "{lines}");
    let nowhere = verb(&home, &["env", "ops"]).ill(64);
    assert!(nowhere.contains("assumed use ops"), "{nowhere}");
    assert_eq!(daemon.end("-TERM").code(), Some(0));
}

#[test]
fn another_role_becomes_the_active_one_and_clients_go_on() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts, TWO);
    let daemon = serving(&home);
    let [shared, own] = addresses(&home).map(Client::new);
    let first = key_id(&shared);
    let mut told = events(&socket(&home));
    assert_eq!(verb(&home, &["use", "ops"]).well(), "ops is active\n");
    told.find(|line| line.contains("\"activated\"") && line.contains("ops")).unwrap();
    assert_eq!(listed(&shared), "ops-role", "with the token of before");
    assert_ne!(key_id(&shared), first);
    assert_eq!(listed(&own), "audit-role");
    assert!(verb(&home, &["roles"]).well().contains("* ops"));

    let refused = verb(&home, &["use", "audit"]).ill(64);
    assert!(refused.contains("protected") && refused.contains("exec audit"), "{refused}");
    let unknown = verb(&home, &["use", "opps"]).ill(64);
    assert!(unknown.contains("did you mean ops?"), "{unknown}");
    assert_eq!(listed(&shared), "ops-role");
    daemon.end("-TERM");

    let daemon = serving(&home);
    let [shared, _] = addresses(&home).map(Client::new);
    assert_eq!(listed(&shared), "dev-role", "a restart forgets it");
    daemon.end("-TERM");
}

#[test]
fn commands_and_consumers_have_the_role_that_they_name() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts, "listen = [\"127.0.0.1:0\"]\n");
    let daemon = serving(&home);
    let of = |arguments: &[&str]| {
        let running = Running::start(&home, arguments, &[]);
        let json = running.ask().json();
        running.end();
        (json["RoleArn"].to_string(), json["AccessKeyId"].to_string())
    };
    let (audit, key) = of(&["audit"]);
    assert!(audit.contains("audit-role"), "{audit}");
    assert!(of(&[]).0.contains("dev-role"), "the active one without a name");
    assert_eq!(of(&["audit"]).1, key, "one set for all of its consumers");
    let narrow = of(&["ops", "--read-only"]);
    assert!(narrow.0.contains("ops-role"), "{narrow:?}");
    let printed = verb(&home, &["credential-process", "audit"]).json();
    assert_eq!(printed["AccessKeyId"].to_string(), key);
    assert_eq!(verb(&home, &["health", "ops"]).code, Some(0), "it would be assumed");
    daemon.end("-TERM");
}

#[test]
fn roles_come_and_go_with_a_reload_and_the_active_one_stays() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts, "roles = [\"dev\", \"ops\"]\nlisten = [\"127.0.0.1:0\"]\n");
    let mut daemon = Daemon::start(home.command(&RUN));
    let client = Client::new(daemon.address());
    daemon.event("rotated");
    verb(&home, &["use", "ops"]).well();
    let held = key_id(&client);
    home.put(SETTINGS, &settings(&sts, TWO));
    daemon.signal("-HUP");
    let line = daemon.event("reload").to_string();
    assert!(line.contains("role audit: assumed anew"), "{line}");
    let [_, own] = addresses(&home).map(Client::new);
    assert_eq!(listed(&own), "audit-role");
    assert!(own.credentials().json()["AccessKeyId"].is_string());

    home.put(SETTINGS, &settings(&sts, "roles = [\"dev\", \"ops\"]\nlisten = [\"127.0.0.1:0\"]\n"));
    daemon.signal("-HUP");
    let line = daemon.event("reload").to_string();
    assert!(line.contains("role audit: no longer served"), "{line}");
    let status = ask(&socket(&home), "GET", "/v1/status", "").json();
    assert_eq!(
        (status["active"].as_str(), status["roles"].as_array().unwrap().len()),
        (Some("ops"), 2)
    );

    home.put(SETTINGS, &settings(&sts, "roles = [\"dev\"]\nlisten = [\"127.0.0.1:0\"]\n"));
    daemon.signal("-HUP");
    daemon.event("reload");
    assert_eq!(ask(&socket(&home), "GET", "/v1/status", "").json()["active"], "dev");
    assert_ne!(held, "");
    daemon.end("-TERM");
}

#[test]
fn a_role_at_rest_that_became_another_one_gives_nothing_of_the_old_one_for_long() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts, TWO);
    let mut daemon = serving(&home);
    let [_, own] = addresses(&home).map(Client::new);
    assert_eq!(own.credentials().status, 200);
    home.put(SETTINGS, &settings(&sts, TWO).replace("role/audit-role", "role/other-role"));
    daemon.signal("-HUP");
    daemon.event("reload");
    until("the new one is assumed, unasked", || assumed(&sts).contains(&"other".to_owned()));
    until("its name is listed", || listed(&own) == "other-role");
    daemon.end("-TERM");
}

#[test]
fn a_lock_is_for_all_roles() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts, TWO);
    let daemon = serving(&home);
    let clients = addresses(&home).map(Client::new);
    for client in &clients {
        key_id(client);
    }
    verb(&home, &["lock"]).well();
    for client in &clients {
        assert_eq!(client.get(ROLE_LIST).status, 403);
    }
    assert_eq!((state(&home, "ops"), state(&home, "audit")), ("locked".into(), "locked".into()));
    verb(&home, &["unlock"]).well();
    for client in &clients {
        until("it serves again", || client.get(ROLE_LIST).status == 200);
        assert_eq!(client.credentials().status, 200);
    }
    daemon.end("-TERM");
}

#[test]
fn a_role_that_nobody_asks_for_rests_and_an_eager_one_does_not() {
    let sts = Sts::start(sessions_of(4));
    let top = format!("idle_after = 1\n{TWO}");
    let text = settings(&sts, &top).replace("[role.ops]\n", "[role.ops]\neager = true\n");
    let home = Home::new().with_credentials(&stand::keys("me")).with_settings(&text);
    let daemon = serving(&home);
    let [_, own] = addresses(&home).map(Client::new);
    assert_eq!(own.credentials().status, 200);
    until("the one rests", || state(&home, "audit") == "resting");
    let count = |role: &str| assumed(&sts).iter().filter(|name| *name == role).count();
    let before = (count("audit"), count("ops"));
    until("the other goes on", || count("ops") > before.1 + 1);
    assert_eq!(count("audit"), before.0);
    assert_eq!(own.credentials().status, 200, "and is there when somebody asks");
    daemon.end("-TERM");
}

#[test]
fn what_is_wrong_with_one_role_is_no_other_roles_trouble() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts, TWO);
    let daemon = serving(&home);
    let [shared, own] = addresses(&home).map(Client::new);
    sts.emulator.script(|script| script.standing = Some(Fault::Error(Code::AccessDenied)));
    let answer = own.credentials();
    assert_eq!(
        (answer.status, answer.json()["Code"].as_str()),
        (200, Some("AssumeRoleUnauthorizedAccess"))
    );
    assert_eq!(shared.credentials().json()["Code"], "Success");
    assert_eq!((state(&home, "dev"), state(&home, "audit")), ("fresh".into(), "refused".into()));
    verb(&home, &["health"]).well();
    verb(&home, &["health", "audit"]).ill(77);
    daemon.end("-TERM");
}
