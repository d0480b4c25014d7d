//! Sessions that may do less than their role, as `exec` has them made: what STS
//! is asked, who is served them, and how long they are there.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use std::fs;
use std::path::PathBuf;

use assumed::emulator::{Asked, Role, Trust};
use common::command::{Running, credentials, until};
use common::control::{ask, verb};
use common::program::{Daemon, Home};
use common::stand::{self, Sts, sessions_of};

const RUN: [&str; 7] =
    ["--log-format", "json", "run", "--profile", "dev", "--listen", "127.0.0.1:0"];
const READ_ONLY: &str = "arn:aws:iam::aws:policy/ReadOnlyAccess";
const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[]}"#;

fn home(sts: &Sts) -> Home {
    let (config, credentials) = stand::profile(sts);
    Home::new().with_config(&config).with_credentials(&credentials)
}

fn serving(home: &Home) -> Daemon {
    let mut daemon = Daemon::start(home.command(&RUN));
    daemon.event("rotated");
    daemon
}

fn socket(home: &Home) -> PathBuf {
    home.path().join("assumed/control.sock")
}

/// The calls that asked for less.
fn narrowed(sts: &Sts) -> Vec<Asked> {
    let policies = |asked: &Asked| asked.parameters.keys().any(|name| name.contains("Policy"));
    sts.emulator.asked().into_iter().filter(policies).collect()
}

fn key_id(running: &Running) -> String {
    let answer = running.ask();
    assert_eq!(answer.status, 200, "{}", answer.head);
    answer.json()["AccessKeyId"].as_str().unwrap().to_owned()
}

#[test]
fn a_command_gets_a_session_of_its_own_with_the_policies_that_were_named() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let daemon = serving(&home);
    home.put("policy.json", POLICY);
    let file = home.path().join("policy.json");
    let file = file.to_str().unwrap();
    let arns = ["arn:aws:iam::aws:policy/job-function/ViewOnlyAccess", READ_ONLY];
    let flags = [
        "dev",
        "--policy",
        file,
        "--policy-arn",
        arns[0],
        "--policy-arn",
        arns[1],
        "--duration",
        "15m",
    ];
    let narrow = Running::start(&home, &flags, &[]);
    let plain = Running::start(&home, &[], &[]);
    assert_ne!(key_id(&narrow), key_id(&plain));

    let asked = narrowed(&sts);
    assert_eq!(asked.len(), 1);
    let sent = |name: &str| asked[0].parameters.get(name).map(String::as_str);
    assert_eq!(asked[0].action, "AssumeRole");
    assert_eq!(sent("Policy"), Some(POLICY));
    assert_eq!(sent("PolicyArns.member.1.arn"), Some(arns[0]));
    assert_eq!(sent("PolicyArns.member.2.arn"), Some(arns[1]));
    assert_eq!(sent("DurationSeconds"), Some("900"));
    let list = ask(&socket(&home), "GET", "/v1/tokens", "").json();
    let marks: Vec<&serde_json::Value> =
        list["tokens"].as_array().unwrap().iter().map(|token| &token["narrowed"]).collect();
    assert_eq!(marks.iter().filter(|mark| ***mark == true).count(), 1, "{list}");

    let uri = narrow.get("AWS_CONTAINER_CREDENTIALS_FULL_URI").unwrap().to_owned();
    let token = narrow.get("AWS_CONTAINER_AUTHORIZATION_TOKEN").unwrap().to_owned();
    narrow.end();
    until("its token goes with it", || credentials(&uri, &token).status == 401);
    assert_eq!(plain.ask().status, 200);
    plain.end();
    daemon.end("-TERM");
}

#[test]
fn two_commands_share_no_session_and_each_is_rotated() {
    let sts = Sts::start(sessions_of(3));
    let home = home(&sts);
    let daemon = serving(&home);
    let one = Running::start(&home, &["--read-only"], &[]);
    let other = Running::start(&home, &["--read-only"], &[]);
    let (first, second) = (key_id(&one), key_id(&other));
    assert_ne!(first, second);
    until("both are rotated", || {
        let (now, then) = (one.ask(), other.ask());
        now.status == 200
            && then.status == 200
            && now.json()["AccessKeyId"] != first
            && then.json()["AccessKeyId"] != second
    });
    for asked in narrowed(&sts) {
        assert_eq!(asked.parameters["PolicyArns.member.1.arn"], READ_ONLY);
    }
    one.end();
    other.end();
    daemon.end("-TERM");
}

#[test]
fn without_a_daemon_the_private_one_narrows() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let running = Running::start(&home, &["dev", "--read-only", "--region", "us-west-2"], &[]);
    key_id(&running);
    assert_eq!(running.get("AWS_REGION"), Some("us-west-2"));
    assert_eq!(narrowed(&sts)[0].parameters["PolicyArns.member.1.arn"], READ_ONLY);
    running.end();
}

#[test]
fn a_session_of_its_own_outlives_the_daemon_as_narrow_as_it_was() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let daemon = serving(&home);
    let running = Running::start(&home, &["--read-only"], &[]);
    let before = key_id(&running);
    daemon.end("-KILL");
    let daemon = serving(&home);
    until("it is assumed anew", || running.ask().status == 200);
    assert_ne!(key_id(&running), before);
    assert_eq!(narrowed(&sts).len(), 2);
    verb(&home, &["lock"]).well();
    assert_eq!(running.ask().status, 403, "a lock wipes it, too");
    let asked = sts.emulator.asked().len();
    verb(&home, &["unlock"]).well();
    until("and an unlock brings it back", || running.ask().status == 200);
    assert_eq!(sts.emulator.asked().len(), asked + 2);
    assert_eq!(narrowed(&sts).len(), 3);
    running.end();
    daemon.end("-TERM");
}

#[test]
fn what_cannot_be_narrowed_is_refused_before_the_command_begins() {
    let sts = Sts::start(sessions_of(3600));
    let home = home(&sts);
    let config = home.path().join("config.toml");
    let settings = |more: &str| {
        let url = sts.emulator.endpoint_url();
        let text = format!(
            "[role.dev]\nrole_arn = \"arn:aws:iam::123456789012:role/deploy\"\nsource_profile = \"me\"\n\
             endpoint_url = \"{url}\"\nregion = \"eu-central-1\"\n{more}\n"
        );
        fs::write(&config, text).unwrap();
    };
    settings("");
    let run = [
        "--log-format",
        "json",
        "--config",
        config.to_str().unwrap(),
        "run",
        "--listen",
        "127.0.0.1:0",
    ];
    let mut daemon = Daemon::start(home.command(&run));
    daemon.event("rotated");
    let exec = |flags: &[&str], code: i32| {
        let all = [&["exec"], flags, &["--", "/bin/echo", "ran"]].concat();
        verb(&home, &all).ill(code)
    };
    home.put("policy.json", "allow everything");
    let file = home.path().join("policy.json");
    let file = file.to_str().unwrap();
    for (flags, why) in [
        (&["--policy", file][..], "it is a JSON object"),
        (&["--policy", "/nonexistent"], "No such file"),
        (&["--policy-arn", "ReadOnlyAccess"], "it looks like arn:aws:iam"),
        (&["--policy-arn", "arn:aws-cn:iam::aws:policy/X"], "another partition"),
        (&["--duration", "1m"], "900 to 43200"),
        (&["--read-only", "--policy-arn", READ_ONLY], "cannot be used with"),
    ] {
        let complaint = exec(flags, 64);
        assert!(complaint.contains(why), "{flags:?}: {complaint}");
    }
    home.put("policy.json", &format!("{{\"Sid\":\"{}\"}}", "x".repeat(2048)));
    assert!(exec(&["--policy", file], 64).contains("1 to 2048 characters"));
    let calls = sts.emulator.asked().len();
    assert_eq!(calls, 1, "nobody asked STS");

    // STS has the last word, and its word is told.
    home.put("policy.json", r#"{"Version":"2012-10-17"}"#);
    let complaint = exec(&["--policy", file], 77);
    assert!(complaint.contains("MalformedPolicyDocument"), "{complaint}");
    let refused = Role { trust: Trust::Nobody, ..Role::default() };
    sts.emulator.script(|script| script.roles.others = Some(refused));
    assert!(exec(&["--read-only"], 77).contains("AccessDenied"));
    sts.emulator.script(|script| script.roles.others = Some(Role::default()));
    until("no consumer is left", || {
        ask(&socket(&home), "GET", "/v1/tokens", "").json()["tokens"] == serde_json::json!([])
    });

    // The settings narrowed it down already, while a narrowed command runs.
    let running = Running::start(&home, &["--read-only"], &[]);
    settings(&format!("policy_arns = [\"{READ_ONLY}\"]"));
    verb(&home, &["reload"]).well();
    assert!(exec(&["--read-only"], 64).contains("would add to what they allow"));
    assert_eq!(running.ask().status, 400, "it never gets its role's own instead");
    assert_eq!(exec(&["--duration", "15m", "--policy", file], 64).lines().count(), 2);
    running.end();
    daemon.end("-TERM");
}

#[test]
fn a_source_without_a_call_cannot_be_narrowed() {
    let sts = Sts::start(sessions_of(3600));
    let given = r#"{"Version": 1, "AccessKeyId": "ASIAX", "SecretAccessKey": "k", "SessionToken": "t", "Expiration": "2099-01-01T00:00:00Z"}"#;
    let home = Home::new();
    home.put("given.json", given);
    let url = sts.emulator.endpoint_url();
    let config = format!(
        "[profile plain]\ncredential_process = cat {}\nregion = eu-central-1\nendpoint_url = {url}\n",
        home.path().join("given.json").display()
    );
    let sso = "[profile sso]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = Reader\nregion = eu-west-1\n[sso-session corp]\nsso_start_url = https://corp.awsapps.com/start\nsso_region = eu-west-1\n";
    let home = home.with_config(&format!("{config}{sso}"));
    // Before anybody has to log in.
    let refused = verb(&home, &["exec", "sso", "--duration", "15m", "--", "/bin/true"]).ill(64);
    assert!(refused.contains("sso cannot be narrowed"), "{refused}");
    let waiting = verb(&home, &["exec", "sso", "--", "/bin/true"]).ill(75);
    assert!(waiting.contains("aws sso login --profile sso"), "{waiting}");
    assert!(!waiting.contains("stays up"), "{waiting}");
    let refused = verb(&home, &["exec", "plain", "--read-only", "--", "/bin/true"]).ill(64);
    assert!(
        refused.contains(
            "plain cannot be narrowed: its credentials are served as their source gives them"
        ) && refused.contains("hint: let a profile with role_arn"),
        "{refused}"
    );
}
