//! The door to STS, against the embedded one: real signatures, real XML, real faults.
//!
//! What only bytes of our own choice can show is in `src/sts/tests.rs`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::Arc;
use std::time::Duration;

use assumed::clock::{self, Clock, Now, SystemClock};
use assumed::credentials::Grant;
use assumed::emulator::{
    self, Code, DEMO_ACCESS_KEY_ID, DEMO_SECRET_ACCESS_KEY, Emulator, Fault, Options, Role, Script,
    Trust,
};
use assumed::environment::{Environment, ProfilePaths};
use assumed::failure::{Failure, Kind};
use assumed::rotation::port::Assume;
use assumed::sts::request::{AssumeRole, Base, BaseKind, Route, Source, Timeouts};
use assumed::sts::{Reception, RoleChain};
use assumed::sys::command_helper::CommandHelper;
use jiff::SignedDuration;

const ONE: &str = "arn:aws:iam::210987654321:role/team/one";
const TWO: &str = "arn:aws:iam::345678901234:role/two";

fn sts() -> Emulator {
    let listener = emulator::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    emulator::start(listener, Script::default(), Options::new(Arc::new(SystemClock))).unwrap()
}

fn hop(role_arn: &str) -> AssumeRole {
    AssumeRole::new(role_arn.parse().unwrap(), "me@host".parse().unwrap())
}

fn source(sts: &Emulator, hops: &[&str]) -> Source {
    let environment = Environment::default()
        .with("AWS_ACCESS_KEY_ID", DEMO_ACCESS_KEY_ID)
        .with("AWS_SECRET_ACCESS_KEY", DEMO_SECRET_ACCESS_KEY);
    Source {
        start: Base::Environment.into(),
        hops: hops.iter().copied().map(hop).collect(),
        region: "eu-central-1".parse().unwrap(),
        endpoint_url: Some(sts.endpoint_url()),
        route: Route::default(),
        timeouts: Timeouts::default(),
        paths: ProfilePaths::of(&environment),
        environment: Arc::new(environment),
    }
}

async fn ask(source: Source) -> Result<Grant, Failure> {
    RoleChain::new(source, Arc::new(SystemClock)).attempt().await
}

/// What the first of two attempts comes to, after which all is well again.
async fn spoilt(fault: Fault) -> Result<Grant, Failure> {
    let sts = sts();
    sts.script(|script| script.next.push_back(Some(fault)));
    let mut source = source(&sts, &[ONE]);
    source.timeouts.attempt = Duration::from_millis(250);
    let chain = RoleChain::new(source, Arc::new(SystemClock));
    let first = chain.attempt().await;
    assert_eq!(sts.total(), 1, "one attempt is one call: rotation retries, and nobody else");
    chain.attempt().await.unwrap();
    first
}

#[tokio::test]
async fn a_chain_of_roles_is_assumed_in_turn() {
    let sts = sts();
    let grant = ask(source(&sts, &[ONE, TWO])).await.unwrap();
    assert_eq!(grant.role_arn.unwrap().as_str(), TWO);
    assert_eq!(grant.account.unwrap().as_str(), "345678901234");
    let now = SystemClock.now().wall;
    assert!(clock::until(now, grant.credentials.expiration()) > Duration::from_mins(59));
    assert!(clock::difference(now, grant.date.unwrap()).abs() < SignedDuration::from_mins(1));

    let asked = sts.asked();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0].access_key_id.as_deref(), Some(DEMO_ACCESS_KEY_ID));
    assert!(asked[1].access_key_id.as_deref().unwrap().starts_with("ASIA"));
    assert!(asked.iter().all(|asked| asked.region.as_deref() == Some("eu-central-1")));
}

#[tokio::test]
async fn a_wrong_external_id_looks_like_any_denial_and_the_hint_says_so() {
    let sts = sts();
    sts.script(|script| {
        let trust = Trust::ExternalId("agreed-on".to_owned());
        script.roles.known.insert(ONE.to_owned(), Role { trust, ..Role::default() });
    });
    let with = |external_id: &str| {
        let mut source = source(&sts, &[ONE]);
        source.hops[0].external_id = Some(external_id.parse().unwrap());
        source
    };
    ask(with("agreed-on")).await.unwrap();
    let failure = ask(with("made-up")).await.unwrap_err();
    assert!(failure.is_refusal());
    assert_eq!(failure.code.as_deref(), Some("AccessDenied"));
    let hint = failure.hint.unwrap();
    assert!(hint.contains("external_id") && hint.contains("MFA"), "{hint}");
}

#[tokio::test]
async fn codes_are_told_apart() {
    for (code, kind) in [
        (Code::Throttling, Kind::Throttled),
        (Code::InternalFailure, Kind::Unreachable),
        (Code::ServiceUnavailable, Kind::Unreachable),
        (Code::AccessDenied, Kind::Refused),
        (Code::ValidationError, Kind::Refused),
        (Code::MalformedPolicyDocument, Kind::Refused),
        (Code::PackedPolicyTooLarge, Kind::Refused),
        (Code::RegionDisabledException, Kind::Refused),
        (Code::InvalidClientTokenId, Kind::Refused),
        (Code::SignatureDoesNotMatch, Kind::Refused),
        (Code::ExpiredToken, Kind::NoBase),
    ] {
        let failure = spoilt(Fault::Error(code)).await.unwrap_err();
        assert_eq!(failure.kind, kind, "{code}: {failure}");
        assert_eq!(failure.code, Some(code.to_string()));
        assert!(failure.hint.is_some(), "{code}");
    }
}

#[tokio::test]
async fn a_bad_answer_is_never_a_grant() {
    for (fault, kind) in [
        (Fault::Hang, Kind::Unreachable),
        (Fault::Reset, Kind::Unreachable),
        (Fault::Cut, Kind::Unreachable),
        (Fault::Truncated, Kind::Nonsense),
        (Fault::EntityBomb, Kind::Nonsense),
        (Fault::Nested, Kind::Nonsense),
        (Fault::WrongRoot, Kind::Nonsense),
        (Fault::MissingFields, Kind::Nonsense),
        (Fault::Garbage, Kind::Nonsense),
        (Fault::Empty, Kind::Nonsense),
    ] {
        let failure = spoilt(fault).await.unwrap_err();
        assert_eq!(failure.kind, kind, "{fault}: {failure}");
        assert_eq!(failure.code, None, "{fault}: {failure}");
    }
}

#[tokio::test]
async fn what_rotation_judges_by_is_handed_on() {
    let now = SystemClock.now().wall;
    let grant = spoilt(Fault::Expired).await.unwrap();
    assert!(grant.credentials.expiration() < now, "how old is too old is not the door's affair");
    let grant = spoilt(Fault::Date(SignedDuration::from_hours(-2))).await.unwrap();
    let off = clock::difference(now, grant.date.unwrap());
    assert!(off > SignedDuration::from_mins(119), "{off}");
}

/// A wall clock that is off by hours.
#[derive(Debug)]
struct Slow(SignedDuration);

impl Clock for Slow {
    fn now(&self) -> Now {
        let now = SystemClock.now();
        Now { wall: now.wall - self.0, ..now }
    }
}

#[tokio::test]
async fn a_wrong_clock_is_called_so_and_the_next_attempt_succeeds() {
    // A14
    let sts = sts();
    for off in [SignedDuration::from_hours(3), SignedDuration::from_hours(-3)] {
        let chain = RoleChain::new(source(&sts, &[ONE]), Arc::new(Slow(off)));
        let failure = chain.attempt().await.unwrap_err();
        let Kind::WrongClock(by) = failure.kind else { panic!("{failure}") };
        assert!((by + off).abs() < SignedDuration::from_mins(1), "{by}");
        chain.attempt().await.unwrap();
    }
}

#[tokio::test]
async fn expired_base_credentials_are_no_refusal() {
    let sts = sts();
    sts.script(|script| script.session = Some(Duration::ZERO));
    let failure = ask(source(&sts, &[ONE, TWO])).await.unwrap_err();
    assert_eq!(failure.kind, Kind::NoBase, "{failure}");
    assert!(failure.message.contains("base credentials"), "{failure}");
}

#[tokio::test]
async fn a_profile_that_changes_is_seen_by_the_next_attempt() {
    let sts = sts();
    let room = tempfile::tempdir().unwrap();
    let credentials = room.path().join("credentials");
    let write = |secret: &str| {
        let id = DEMO_ACCESS_KEY_ID;
        let text = format!("[me]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n");
        std::fs::write(&credentials, text).unwrap();
    };
    let mut source = source(&sts, &[ONE]);
    source.start = Base::Profile { name: "me".to_owned(), kind: BaseKind::Keys }.into();
    source.paths =
        ProfilePaths { config: room.path().join("config"), credentials: credentials.clone() };
    let chain = RoleChain::new(source, Arc::new(SystemClock));

    let failure = chain.attempt().await.unwrap_err();
    assert_eq!(failure.kind, Kind::NoBase);
    write("mistyped");
    let failure = chain.attempt().await.unwrap_err();
    assert_eq!(failure.code.as_deref(), Some("SignatureDoesNotMatch"));
    write(DEMO_SECRET_ACCESS_KEY);
    chain.attempt().await.unwrap();
}

#[tokio::test]
async fn temporary_keys_of_a_command_are_served_as_they_are() {
    let sts = sts();
    let lent = ask(source(&sts, &[ONE])).await.unwrap().credentials;
    let room = tempfile::tempdir().unwrap();
    let config = room.path().join("config");
    let output = format!(
        r#"{{"Version": 1, "AccessKeyId": "{}", "SecretAccessKey": "{}", "SessionToken": "{}", "Expiration": "{}"}}"#,
        lent.access_key_id(),
        lent.secret_access_key().expose(),
        lent.session_token().expose(),
        lent.expiration(),
    );
    std::fs::write(room.path().join("output"), output).unwrap();
    let command = format!("cat {}", room.path().join("output").display());
    std::fs::write(&config, format!("[profile tool]\ncredential_process = {command}\n")).unwrap();
    let mut source = source(&sts, &[]);
    source.start = Base::Profile { name: "tool".to_owned(), kind: BaseKind::Process }.into();
    source.paths = ProfilePaths { config, credentials: room.path().join("none") };
    let helper = CommandHelper::in_thread().unwrap();
    let reception = Reception::default().with_commands(Some(Arc::new(helper)));
    let chain = RoleChain::at(reception, source, Arc::new(SystemClock));

    let grant = chain.attempt().await.unwrap();
    assert_eq!(grant.credentials.access_key_id(), lent.access_key_id());
    assert_eq!(grant.account.unwrap().as_str(), "210987654321");
    chain.attempt().await.unwrap();
    assert_eq!(sts.count("GetCallerIdentity"), 1, "whose a key is does not change");
}
