//! No verb lets a secret out but by what it is for, however it fails.
//!
//! Every verb is run against a daemon that serves, one that STS refuses and one
//! that is locked, in words and in JSON, with arguments that are secrets
//! themselves where it takes any. All that any of them wrote is searched, and
//! so are the events, the metrics and what the system shows of a command.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;
#[cfg(target_os = "linux")]
#[path = "leaks/memory.rs"]
mod memory;

use std::fs;
use std::path::PathBuf;

use assumed::emulator::{self, Role, Trust};
use common::client::Client;
use common::command::{Running, until};
use common::control::{self, ask, verb};
use common::program::{Daemon, Home};
use common::stand::{self, Sts, sessions_of};

/// Handed in by somebody who hoped it would help.
const CODE: &str = "918273";
const ASSERTION: &str = "PHNlY3JldC1hc3NlcnRpb24vPg";
const POLICY: &str = "hush-hush-policy";

/// What must be seen nowhere.
struct Secrets(Vec<String>);

impl Secrets {
    fn add(&mut self, secret: &serde_json::Value) {
        let secret = secret.as_str().unwrap();
        assert!(secret.len() > 5);
        self.0.push(secret.to_owned());
    }

    #[track_caller]
    fn are_not_in(&self, what: &str, text: &str) {
        for secret in &self.0 {
            assert!(!text.contains(secret.as_str()), "{what} shows {secret}:\n{text}");
        }
    }
}

/// Every verb that no secret is the purpose of, and ways to have it fail.
fn verbs(home: &Home) -> Vec<Vec<String>> {
    let path = |name: &str| home.path().join(name).display().to_string();
    let lines = format!(
        "status\nstatus --short\nroles\nuse dev\nuse dve\nrefresh\nrefresh prod\nreload\nhealth\nhealth prod\n\
         mfa {CODE}\nmfa 12345\nsaml {assertion}\nlogin\nenv\nenv prod\nenv --container prod\n\
         credential-process prod\nconsole prod\ntoken list\ntoken revoke nobody\n\
         token create ci --file {nowhere}\ntoken create -- -ci\n\
         exec prod -- true\nexec --policy {policy} -- true\nexec -- {nowhere}\n\
         doctor\nlink status\ncheck --profile dev\ncheck --profile me\nstop --nonsense",
        assertion = path("assertion"),
        nowhere = path("none/where"),
        policy = path("policy.json"),
    );
    let words = |line: &str| line.split(' ').map(str::to_owned).collect();
    lines.lines().map(|line| words(line.trim())).collect()
}

fn all_verbs(home: &Home, secrets: &Secrets, when: &str) {
    for words in verbs(home) {
        for json in [false, true] {
            let mut arguments: Vec<&str> = words.iter().map(String::as_str).collect();
            if json {
                arguments.insert(0, "--json");
            }
            let done = verb(home, &arguments);
            let what = format!("{when}: {}", arguments.join(" "));
            secrets.are_not_in(&what, &done.stdout);
            secrets.are_not_in(&what, &done.stderr);
        }
    }
}

fn socket(home: &Home) -> PathBuf {
    home.path().join("assumed/control.sock")
}

#[test]
fn no_verb_shows_a_secret_however_it_fails() {
    let sts = Sts::start(sessions_of(3600));
    let (config, credentials) = stand::profile(&sts);
    let home = Home::new().with_config(&config).with_credentials(&credentials);
    home.put("assertion", ASSERTION);
    home.put("policy.json", &format!("{{\"Sid\": \"{POLICY}\"}}"));
    let mut daemon = Daemon::start(home.traced("dev"));
    let address = daemon.address();
    daemon.event("rotated");

    let mut secrets = Secrets(vec![
        emulator::DEMO_SECRET_ACCESS_KEY.to_owned(),
        CODE.to_owned(),
        ASSERTION.to_owned(),
        POLICY.to_owned(),
    ]);
    let served = Client::new(address).credentials().json();
    let minted = verb(&home, &["token", "create", "kept", "--json"]).json();
    secrets.add(&served["SecretAccessKey"]);
    secrets.add(&served["Token"]);
    secrets.add(&minted["environment"]["AWS_CONTAINER_AUTHORIZATION_TOKEN"]);

    // The command knows its own token; the keys are nowhere around it.
    let running = Running::start(&home, &["--read-only"], &[]);
    let own = running.ask().json();
    secrets.add(&own["SecretAccessKey"]);
    secrets.add(&own["Token"]);
    let pid = running.child.id();
    for part in ["environ", "cmdline"] {
        let read = || fs::read(format!("/proc/{pid}/{part}")).unwrap();
        // Empty while the shell becomes the command.
        until("the command is there", || !read().is_empty());
        let bytes = read();
        secrets.are_not_in(part, &String::from_utf8_lossy(&bytes));
    }
    secrets.0.push(running.get("AWS_CONTAINER_AUTHORIZATION_TOKEN").unwrap().to_owned());
    let cmdline = fs::read(format!("/proc/{pid}/cmdline")).unwrap();
    secrets.are_not_in("cmdline", &String::from_utf8_lossy(&cmdline));

    all_verbs(&home, &secrets, "served");
    let refused = Role { trust: Trust::Nobody, ..Role::default() };
    sts.emulator.script(|script| script.roles.others = Some(refused));
    all_verbs(&home, &secrets, "refused");
    verb(&home, &["lock"]).well();
    all_verbs(&home, &secrets, "locked");

    for path in ["/v1/status", "/v1/roles", "/v1/tokens", "/v1/metrics"] {
        secrets.are_not_in(path, &ask(&socket(&home), "GET", path, "").body);
    }
    let mut events = control::events(&socket(&home));
    let mut told = events.next().unwrap();
    secrets.are_not_in("the exec's own", &running.end());
    for entry in fs::read_dir(home.state()).unwrap() {
        let text = fs::read(entry.unwrap().path()).unwrap_or_default();
        secrets.are_not_in("the state directory", &String::from_utf8_lossy(&text));
    }
    let ended = daemon.end("-TERM");
    secrets.are_not_in("the log", &ended.stderr);
    told.extend(events);
    assert!(told.contains("\"stopping\"") && told.contains("\"failed\""), "{told}");
    secrets.are_not_in("events", &told);
}
