use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::clock::{self, BootTime, Now};
use crate::config::{Environment, Inputs, Overrides, Settings};
use crate::container::pod::{IssuerKeys, Keyring};
use crate::credentials::{Credentials, Snapshot};
use crate::failure::{Failure, Kind};
use crate::role::AccountId;
use crate::rotation::standing::{Phase, Standing};
use crate::secret::Secret;

const HOUR: Duration = Duration::from_hours(1);

fn moment(after: Duration) -> Now {
    let began = Timestamp::from_second(1_767_225_600).unwrap();
    Now { wall: clock::later(began, after), boot: BootTime::from_boot(after) }
}

fn snapshot() -> Snapshot {
    let (secret, session) = (Secret::new("sEcReT"), Secret::new("sEsSiOn"));
    let expires = moment(HOUR).wall;
    Snapshot {
        generation: 3,
        credentials: Credentials::new("ASIAKEY".into(), secret, session, expires).unwrap(),
        obtained: moment(Duration::ZERO).wall,
        deadline: moment(HOUR).boot,
    }
}

fn settings() -> Settings {
    let environment =
        Environment::default().with("AWS_ACCESS_KEY_ID", "AKIA").with("AWS_SECRET_ACCESS_KEY", "s");
    Settings::resolve(&Inputs {
        overrides: Overrides {
            role_arn: Some("arn:aws:iam::123456789012:role/team/deploy".to_owned()),
            region: Some("eu-central-1".to_owned()),
            state_dir: Some("/tmp".into()),
            ..Overrides::default()
        },
        environment: Arc::new(environment),
        ..Inputs::default()
    })
    .unwrap()
}

struct Scene {
    snapshot: Option<Snapshot>,
    failure: Option<Failure>,
    locked: bool,
    phase: Phase,
    after: Duration,
}

const BEFORE: Scene = Scene {
    snapshot: None,
    failure: None,
    locked: false,
    phase: Phase::Waiting,
    after: Duration::from_mins(10),
};

impl Scene {
    fn status(self) -> Status {
        let now = moment(self.after);
        let failed = BTreeMap::from([("AccessDenied".to_owned(), 2)]);
        let held = Held {
            snapshot: self.snapshot.as_ref(),
            failure: self.failure.as_ref(),
            account: &AccountId::unknown(),
            locked: self.locked,
            failed: &failed,
        };
        let next = Some(moment(HOUR / 2).wall);
        let standing = Standing { phase: self.phase, next, ..Standing::default() };
        let role = RoleStatus::new(&settings().roles[0], held, standing, now);
        Status {
            version: "1.2.3".to_owned(),
            pid: 4711,
            now: now.wall,
            started: moment(Duration::ZERO).wall,
            uptime: self.after,
            locked: self.locked,
            active: role.name.clone(),
            control: Some("/run/user/1000/assumed/control.sock".into()),
            listeners: vec![ListenerStatus {
                kind: "imds".to_owned(),
                address: "127.0.0.1:1338".parse().unwrap(),
                role: None,
            }],
            roles: vec![role],
            issuers: Vec::new(),
            clients: vec![Seen {
                user_agent: "Boto3/1.34".to_owned(),
                requests: 12,
                last_seen: now.wall,
            }],
        }
    }
}

fn refused() -> Failure {
    Failure::new(Kind::Refused, "not authorized to perform sts:AssumeRole")
        .code("AccessDenied")
        .hint("does the role's trust policy name this caller?")
}

#[test]
fn the_state_is_what_clients_feel() {
    let state = |scene: Scene| scene.status().roles[0].state;
    let held = || Scene { snapshot: Some(snapshot()), phase: Phase::Fresh, ..BEFORE };
    assert_eq!(state(BEFORE), State::Waiting);
    assert_eq!(state(held()), State::Fresh);
    assert_eq!(state(Scene { phase: Phase::Stale, ..held() }), State::Stale);
    assert_eq!(state(Scene { failure: Some(refused()), ..held() }), State::Stale);
    // Nothing has happened since, and yet it has ended.
    assert_eq!(state(Scene { after: HOUR, ..held() }), State::Expired);
    assert_eq!(state(Scene { after: HOUR, failure: Some(refused()), ..held() }), State::Refused);
    assert_eq!(state(Scene { locked: true, ..BEFORE }), State::Locked);
}

#[test]
fn the_table_tells_a_reader_what_is_served_and_until_when() {
    let status = Scene { snapshot: Some(snapshot()), phase: Phase::Fresh, ..BEFORE }.status();
    let expected = "\
assumed       1.2.3, pid 4711, up 10m 0s
listening     imds on 127.0.0.1:1338

role          deploy
identity      arn:aws:iam::123456789012:role/team/deploy
region        eu-central-1
source        environment (keys)
              → arn:aws:iam::123456789012:role/team/deploy
state         fresh: credentials are valid
generation    3
obtained      2026-01-01 00:00:00Z  10m 0s ago
expires       2026-01-01 01:00:00Z  in 50m 0s
next attempt  2026-01-01 00:30:00Z  in 20m 0s

clients       Boto3/1.34  12, last 2026-01-01 00:10:00Z (now)
";
    assert_eq!(status.table(Paint { colour: false }), expected);
    assert_eq!(status.short(), "deploy 50m");
    assert!(status.table(Paint { colour: true }).contains("\x1b[32mfresh\x1b[0m"));
}

#[test]
fn a_failure_is_told_with_its_hint_and_its_code() {
    let status = Scene { failure: Some(refused()), ..BEFORE }.status();
    let table = status.table(Paint { colour: false });
    for line in [
        "state         refused: nothing valid to serve, and STS refuses\n",
        "last error    not authorized to perform sts:AssumeRole (AccessDenied)\n",
        "hint          does the role's trust policy name this caller?\n",
        "needs you     this does not get better by itself\n",
    ] {
        assert!(table.contains(line), "{table}");
    }
    assert_eq!(status.short(), "deploy refused");
}

#[test]
fn json_carries_all_of_it_and_no_secret() {
    let status = Scene {
        snapshot: Some(snapshot()),
        failure: Some(refused()),
        phase: Phase::Stale,
        ..BEFORE
    }
    .status();
    let text = serde_json::to_string(&status).unwrap();
    assert_eq!(serde_json::from_str::<Status>(&text).unwrap(), status);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["roles"][0]["state"], "stale");
    assert_eq!(json["roles"][0]["expires_in_seconds"], 3000);
    assert_eq!(json["roles"][0]["expires"], "2026-01-01T01:00:00Z");
    assert_eq!(json["roles"][0]["last_error"]["code"], "AccessDenied");
    for secret in ["sEcReT", "sEsSiOn", "ASIAKEY"] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[test]
fn issuers_are_shown_with_the_age_of_their_keys() {
    let key = serde_json::json!({"kty": "RSA", "n": "_".repeat(341) + "w", "e": "AQAB"});
    let keyring = Keyring::read(&serde_json::json!({"keys": [key]}).to_string()).unwrap();
    let now = moment(HOUR + Duration::from_mins(20));
    let fetched = |minutes: u64| {
        let began = moment(HOUR + Duration::from_mins(20 - minutes)).boot;
        IssuerKeys { fetched: Some((keyring.clone(), began)), attempts: 1 }
    };
    let mut status = BEFORE.status();
    status.now = now.wall;
    let old = IssuerKeys { fetched: Some((keyring.clone(), moment(HOUR / 3).boot)), attempts: 1 };
    status.issuers =
        [("https://a", fetched(4)), ("https://b", old), ("https://c", IssuerKeys::default())]
            .map(|(issuer, keys)| IssuerStatus::new(issuer, &keys, now))
            .into();
    let table = status.table(Paint { colour: false });
    let expected = "\
issuer        https://a
keys          1, fetched 2026-01-01 01:16:00Z (4m 0s ago)
issuer        https://b
keys          none that count; fetched 2026-01-01 00:20:00Z (1h 0m ago)
issuer        https://c
keys          none yet
";
    assert!(table.contains(expected), "{table}");
    let page = status.metrics();
    for line in [
        "assumed_issuer_keys{issuer=\"https://a\"} 1",
        "assumed_issuer_keys{issuer=\"https://b\"} 0",
        "assumed_issuer_keys{issuer=\"https://c\"} 0",
        "assumed_issuer_keys_fetched_timestamp_seconds{issuer=\"https://a\"} 1767230160",
    ] {
        assert!(page.lines().any(|found| found == line), "{line}\n{page}");
    }
    assert!(!page.contains("timestamp_seconds{issuer=\"https://c\"}"), "{page}");
}

#[test]
fn metrics_are_samples_with_help_and_type() {
    let status = Scene { snapshot: Some(snapshot()), phase: Phase::Fresh, ..BEFORE }.status();
    let page = status.metrics();
    for line in [
        "assumed_expires_in_seconds{role=\"deploy\"} 3000",
        "assumed_rotations_total{role=\"deploy\"} 3",
        "assumed_state{role=\"deploy\",state=\"fresh\"} 1",
        "assumed_state{role=\"deploy\",state=\"refused\"} 0",
        "assumed_failed_attempts_total{role=\"deploy\",code=\"AccessDenied\"} 2",
        "assumed_locked 0",
    ] {
        assert!(page.lines().any(|found| found == line), "{line}\n{page}");
    }
    assert!(!page.contains("123456789012"), "{page}");
}

proptest! {
    #[test]
    fn no_line_is_wider_than_a_terminal(text in "\\PC{0,300}", code in "[A-Za-z]{0,300}") {
        let failure = Failure::new(Kind::Refused, text.clone()).code(code).hint(text.clone());
        let mut status = Scene { failure: Some(failure), ..BEFORE }.status();
        status.roles[0].name.clone_from(&text);
        status.clients[0].user_agent = "x".repeat(500);
        let issuer = text.clone();
        status.issuers.push(IssuerStatus { issuer, keys: 0, fetched: Some(Timestamp::MAX) });
        let table = status.table(Paint { colour: false });
        prop_assert!(table.lines().all(|line| line.chars().count() <= 80), "{}", table);
    }
}
