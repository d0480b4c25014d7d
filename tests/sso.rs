//! Logins of the AWS CLI, from the file that it writes to what is served: against a
//! portal of our own, on the whole program.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;
#[path = "sso/portal.rs"]
mod portal;

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use assumed::clock::{Clock, SystemClock};
use common::client::Client;
use common::control::{Done, verb};
#[cfg(target_os = "linux")]
use common::memory;
use common::program::{Daemon, Home};
use jiff::{SignedDuration, Timestamp};
use portal::Portal;
use serde_json::{Value, json};

const START: &str = "https://corp.awsapps.invalid/start";
const SECRETS: [&str; 8] = [
    "hush-access",
    "hush-later-access",
    "hush-refresh",
    "hush-client-secret",
    "hush-secret-key",
    "hush-session-token",
    "hush hush",
    "x-amz-sso_bearer_token",
];
const HOUR: SignedDuration = SignedDuration::from_hours(1);
const MINUTES: SignedDuration = SignedDuration::from_mins(5);

/// How a profile names its login.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Session,
    Legacy,
}

/// A home whose profile needs a login, and a portal that knows one.
struct Rig {
    home: Home,
    portal: Portal,
    form: Form,
}

impl Rig {
    fn new(form: Form) -> Self {
        let login = format!("sso_start_url = {START}\nsso_region = eu-central-1\n");
        let whose =
            "sso_account_id = 123456789012\nsso_role_name = reader\nregion = eu-central-1\n";
        let config = match form {
            Form::Session => format!(
                "[profile dev]\nsso_session = corp\n{whose}[sso-session corp]\n{login}\
                 sso_registration_scopes = sso:account:access\n"
            ),
            Form::Legacy => format!("[profile dev]\n{login}{whose}"),
        };
        let portal = Portal::open();
        portal.think(|mind| _ = mind.logins.insert("hush-access".to_owned()));
        Self { home: Home::new().with_config(&config), portal, form }
    }

    /// What `aws sso login` leaves, good for so long.
    fn log_in(&self, life: SignedDuration) {
        self.log_in_with(life, HOUR);
    }

    fn log_in_with(&self, life: SignedDuration, registration: SignedDuration) {
        let now = SystemClock.now().wall;
        let mut login = json!({
            "startUrl": START,
            "region": "eu-central-1",
            "accessToken": "hush-access",
            "expiresAt": seconds(now + life),
        });
        if self.form == Form::Session {
            login["clientId"] = "client".into();
            login["clientSecret"] = "hush-client-secret".into();
            login["refreshToken"] = "hush-refresh".into();
            login["registrationExpiresAt"] = seconds(now + registration).into();
        }
        self.home.put(&self.cache(), &login.to_string());
    }

    fn cache(&self) -> String {
        let name = if self.form == Form::Session { "corp" } else { START };
        format!(".aws/sso/cache/{}.json", hex(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, name))
    }

    fn cached(&self) -> Value {
        let text = fs::read_to_string(self.home.path().join(self.cache())).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    fn command(&self) -> Command {
        let mut command = self.home.traced("dev");
        command
            .env("AWS_ENDPOINT_URL_SSO", self.portal.url())
            .env("AWS_ENDPOINT_URL_SSO_OIDC", self.portal.url());
        command
    }

    fn start(&self) -> (Daemon, Client) {
        let mut daemon = Daemon::start(self.command());
        for secret in SECRETS {
            daemon.keeps_secret(&json!({ "Token": secret }));
        }
        let client = Client::new(daemon.address());
        (daemon, client)
    }

    /// Nothing of a login is seen, and the daemon ends well.
    fn end(&self, daemon: Daemon) {
        for arguments in [["status"].as_slice(), &["status", "--json"]] {
            let seen = verb(&self.home, arguments).stdout;
            assert!(SECRETS.iter().all(|secret| !seen.contains(secret)), "{seen}");
        }
        assert_eq!(daemon.end("-TERM").code(), Some(0));
    }
}

fn seconds(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second()).unwrap().to_string()
}

/// The CLI names its files so.
fn hex(algorithm: &'static ring::digest::Algorithm, name: &str) -> String {
    let digest = ring::digest::digest(algorithm, name.as_bytes());
    digest.as_ref().iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

#[test]
fn a_login_of_either_form_is_found_and_its_role_is_served() {
    for form in [Form::Session, Form::Legacy] {
        let rig = Rig::new(form);
        rig.log_in(HOUR);
        let (mut daemon, client) = rig.start();
        daemon.event("rotated");
        assert_eq!(client.key_id(), "ASIAPORTAL0");
        assert_eq!(client.credentials().json()["SecretAccessKey"], "hush-secret-key");
        let asked = rig.portal.asked();
        assert_eq!(asked.len(), 1, "{asked:?}");
        let (path, query) = asked[0].path.split_once('?').unwrap();
        assert_eq!(path, "/federation/credentials");
        let mut query: Vec<_> = query.split('&').collect();
        query.sort_unstable();
        assert_eq!(query, ["account_id=123456789012", "role_name=reader"]);
        assert_eq!(asked[0].bearer.as_deref(), Some("hush-access"));
        assert_eq!(verb(&rig.home, &["status", "--json"]).json()["roles"][0]["state"], "fresh");
        rig.end(daemon);
    }
}

#[test]
fn a_login_that_ends_is_refreshed_by_its_refresh_token_and_kept() {
    for life in [-MINUTES, MINUTES / 2] {
        let rig = Rig::new(Form::Session);
        rig.log_in(life);
        let refresh = ("hush-refresh".to_owned(), "hush-later-access".to_owned());
        rig.portal.think(|mind| mind.refresh = Some(refresh));
        let (mut daemon, client) = rig.start();
        daemon.event("rotated");
        assert_eq!(client.key_id(), "ASIAPORTAL1");
        let asked = rig.portal.asked();
        assert_eq!(asked.len(), 2, "{asked:?}");
        assert_eq!(asked[0].path, "/token");
        let expected = json!({
            "clientId": "client",
            "clientSecret": "hush-client-secret",
            "grantType": "refresh_token",
            "refreshToken": "hush-refresh",
        });
        assert_eq!(asked[0].body, expected);
        assert_eq!(asked[1].bearer.as_deref(), Some("hush-later-access"));
        let cached = rig.cached();
        assert_eq!(cached["accessToken"], "hush-later-access");
        assert_eq!(cached["refreshToken"], "hush-refresh-next");
        assert_eq!(cached["startUrl"], START);
        // The next rotation finds it there, so the CLI and we share one login.
        verb(&rig.home, &["refresh"]).well();
        let asked = rig.portal.asked();
        assert_eq!(asked.len(), 1, "{asked:?}");
        assert_eq!(asked[0].bearer.as_deref(), Some("hush-later-access"));
        rig.end(daemon);
    }
}

#[test]
fn a_login_that_cannot_be_refreshed_waits_for_somebody() {
    const ENDED: &str = "the login has ended";
    let refused = ("/federation/credentials", 401);
    for (form, login, registration, words, steps) in [
        // Without a registration nobody is asked.
        (Form::Session, -MINUTES, -MINUTES, "the SSO token has expired", vec![]),
        (Form::Session, -MINUTES, HOUR, ENDED, vec![("/token", 400), refused]),
        // The portal has ended it, whatever the file says.
        (Form::Session, HOUR, HOUR, ENDED, vec![refused]),
        (Form::Legacy, HOUR, HOUR, ENDED, vec![refused]),
    ] {
        let rig = Rig::new(form);
        rig.log_in_with(login, registration);
        rig.portal.think(|mind| mind.logins.clear());
        let (mut daemon, client) = rig.start();
        let line = daemon.event("waiting");
        let told = line["error"].as_str().unwrap();
        assert!(
            told.starts_with(&format!("no credentials from IAM Identity Center: {words}")),
            "{told}"
        );
        assert!(line["hint"].as_str().unwrap().contains("aws sso login --profile dev"), "{line}");
        let asked = rig.portal.asked();
        let asked: Vec<_> =
            asked.iter().map(|a| (a.path.split('?').next().unwrap(), a.status)).collect();
        assert_eq!(asked[..steps.len()], *steps, "{asked:?}");
        assert_eq!(client.credentials().status, 500);
        verb(&rig.home, &["health"]).ill(75);
        rig.end(daemon);
    }
}

#[test]
fn a_service_in_trouble_is_not_taken_for_a_login_that_has_ended() {
    const ROLE: &str = "/federation/credentials";
    for (path, status, words) in [
        ("/token", 503, "HTTP 503 came back"),
        ("/token", 429, "HTTP 429 came back"),
        (ROLE, 500, "HTTP 500 came back"),
        (ROLE, 429, "HTTP 429 came back"),
        (ROLE, 200, "the answer holds none"),
    ] {
        let rig = Rig::new(Form::Session);
        // Where it could not be refreshed, the portal is asked with what has ended.
        rig.log_in(if path == "/token" { -MINUTES } else { HOUR });
        rig.portal.think(|mind| {
            mind.trouble.insert(path, status);
            if path == "/token" {
                mind.logins.clear();
            }
            mind.refresh = Some(("hush-refresh".to_owned(), "hush-later-access".to_owned()));
        });
        let (mut daemon, client) = rig.start();
        let line = daemon.event("failed");
        let said = format!("no credentials from IAM Identity Center: {words}");
        assert_eq!(line["error"], said, "{path}");
        rig.portal.think(|mind| mind.trouble.clear());
        daemon.event("rotated");
        client.key_id();
        rig.end(daemon);
    }
}

#[test]
fn a_login_typed_by_hand_is_noticed() {
    for form in [Form::Session, Form::Legacy] {
        let rig = Rig::new(form);
        // Not even the folder is there before the first login of all.
        let (mut daemon, client) = rig.start();
        daemon.event("waiting");
        rig.log_in(HOUR);
        daemon.event("login");
        daemon.event("rotated");
        let served = client.key_id();
        // It ends at the portal, and the next one is noticed as well.
        rig.portal.think(|mind| mind.logins.clear());
        verb(&rig.home, &["refresh"]).ill(75);
        assert_eq!(client.key_id(), served, "what is valid is served");
        rig.portal.think(|mind| _ = mind.logins.insert("hush-access".to_owned()));
        rig.log_in(HOUR);
        daemon.event("login");
        daemon.event("rotated");
        assert_ne!(client.key_id(), served);
        rig.end(daemon);
    }
}

#[test]
fn nobody_looks_for_logins_while_none_is_waited_for() {
    let rig = Rig::new(Form::Session);
    rig.log_in(HOUR);
    let (mut daemon, _) = rig.start();
    daemon.event("rotated");
    rig.portal.asked();
    rig.log_in(HOUR);
    verb(&rig.home, &["refresh"]).well();
    assert!(!daemon.log().contains("\"login\""), "{}", daemon.log());
    assert_eq!(rig.portal.asked().len(), 1);
    rig.end(daemon);
}

/// What `aws login` leaves, good for an hour.
fn console_login() -> String {
    let ends = seconds(SystemClock.now().wall + HOUR);
    json!({
        "accessToken": {
            "accessKeyId": "ASIACONSOLE",
            "secretAccessKey": "hush-secret-key",
            "sessionToken": "hush-session-token",
            "accountId": "123456789012",
            "expiresAt": ends,
        },
        "tokenType": "aws_sigv4",
        "refreshToken": "hush-refresh",
        "clientId": "arn:aws:signin:::devtools/same-device",
        "dpopKey": "hush-client-secret",
    })
    .to_string()
}

#[test]
fn a_login_to_the_console_is_waited_for_noticed_and_served() {
    const SESSION: &str = "arn:aws:iam::123456789012:user/jane";
    let rig = Rig::new(Form::Session);
    let config = format!("[profile dev]\nlogin_session = {SESSION}\nregion = eu-central-1\n");
    rig.home.put(".aws/config", &config);
    let (mut daemon, client) = rig.start();
    let line = daemon.event("waiting");
    assert_eq!(line["hint"], "run `aws login --profile dev`");
    assert_eq!(verb(&rig.home, &["status", "--json"]).json()["roles"][0]["needs"]["what"], "login");
    let file = hex(&ring::digest::SHA256, SESSION);
    rig.home.put(&format!(".aws/login/cache/{file}.json"), &console_login());
    daemon.event("login");
    daemon.event("rotated");
    assert_eq!(client.key_id(), "ASIACONSOLE");
    assert_eq!(client.credentials().json()["Token"], "hush-session-token");
    assert_eq!(rig.portal.asked().len(), 0);
    rig.end(daemon);
}

#[test]
fn the_verb_logs_in_by_the_cli_and_shows_what_is_served() {
    let rig = Rig::new(Form::Session);
    let (mut daemon, client) = rig.start();
    daemon.event("waiting");
    let bin = rig.home.path().join("bin");
    fs::create_dir(&bin).unwrap();
    let cache = rig.home.path().join(rig.cache());
    let script = format!(
        "#!/bin/sh\ntest \"$*\" = 'sso login --profile dev' || exit 9\n\
         mkdir -p {0} && cp {1} {2}\n",
        cache.parent().unwrap().display(),
        rig.home.path().join("login").display(),
        cache.display()
    );
    rig.log_in(HOUR);
    fs::rename(&cache, rig.home.path().join("login")).unwrap();
    let aws = bin.join("aws");
    fs::write(&aws, script).unwrap();
    fs::set_permissions(&aws, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let told = Done::of(rig.home.command(&["login"]).env("PATH", path)).well();
    assert!(told.starts_with("dev: generation "), "{told}");
    client.key_id();
    rig.end(daemon);
}

#[cfg(target_os = "linux")]
#[test]
fn a_lock_leaves_nothing_of_a_login_in_memory() {
    if memory::skipped() {
        return;
    }
    let rig = Rig::new(Form::Session);
    rig.log_in(-MINUTES);
    let refresh = ("hush-refresh".to_owned(), "hush-later-access".to_owned());
    rig.portal.think(|mind| mind.refresh = Some(refresh));
    let (mut daemon, client) = rig.start();
    daemon.event("rotated");
    assert_eq!(client.credentials().status, 200);
    let secrets: Vec<_> = SECRETS.iter().filter(|it| it.starts_with("hush-")).collect();
    let secrets: Vec<_> = secrets.into_iter().map(|&secret| secret.to_owned()).collect();
    assert!(!memory::found(daemon.pid(), &secrets).is_empty(), "what is served is in memory");
    verb(&rig.home, &["lock"]).well();
    memory::is_clean(daemon.pid(), &secrets);
    rig.end(daemon);
}
