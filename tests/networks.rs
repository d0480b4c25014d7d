//! The networks that stand between a daemon and STS: TLS with an authority of
//! its own, proxies, and the endpoints that a Region can have.
//!
//! STS is the embedded one behind a TLS front; the proxy connects every name to
//! that front and notes what it was asked for.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use assumed::clock::SystemClock;
use assumed::credentials::Grant;
use assumed::emulator::{
    self, DEMO_ACCESS_KEY_ID, DEMO_SECRET_ACCESS_KEY, Emulator, Options, Script,
};
use assumed::environment::{Environment, ProfilePaths};
use assumed::failure::{Failure, Kind};
use assumed::rotation::port::Assume;
use assumed::secret::Secret;
use assumed::sts::RoleChain;
use assumed::sts::request::{AssumeRole, Base, BaseKind, Route, Source, Timeouts};
use tempfile::TempDir;
use tokio::process::Command;

#[path = "networks/rig.rs"]
mod rig;

use rig::{Authority, Proxy, Ticket, canned, front};

const NAMES: [&str; 9] = [
    "localhost",
    "*.amazonaws.com",
    "sts.eu-central-1.amazonaws.com",
    "sts.cn-north-1.amazonaws.com.cn",
    "sts.us-gov-west-1.amazonaws.com",
    "sts-fips.us-east-1.amazonaws.com",
    "sts.eu-central-1.api.aws",
    "sts-fips.us-east-1.api.aws",
    "portal.sso.eu-central-1.amazonaws.com",
];

/// An STS behind TLS, and the file with the authority to trust.
struct Site {
    sts: Emulator,
    port: u16,
    room: TempDir,
}

impl Site {
    async fn new() -> Self {
        Self::with(&Authority::new("ours"), Ticket::Valid).await
    }

    async fn with(authority: &Authority, ticket: Ticket) -> Self {
        let listener = emulator::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let options = Options::new(Arc::new(SystemClock));
        let sts = emulator::start(listener, Script::default(), options).unwrap();
        let port = front(sts.address(), authority.server(&NAMES, ticket)).await;
        let room = tempfile::tempdir().unwrap();
        std::fs::write(room.path().join("ca.pem"), authority.pem()).unwrap();
        Self { sts, port, room }
    }

    fn bundle(&self) -> PathBuf {
        self.room.path().join("ca.pem")
    }

    fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    fn route(&self) -> Route {
        Route { ca_bundle: Some(self.bundle()), ..Route::default() }
    }
}

fn source(region: &str, url: Option<String>, route: Route) -> Source {
    let environment = Environment::default()
        .with("AWS_ACCESS_KEY_ID", DEMO_ACCESS_KEY_ID)
        .with("AWS_SECRET_ACCESS_KEY", DEMO_SECRET_ACCESS_KEY);
    let role_arn = "arn:aws:iam::210987654321:role/one".parse().unwrap();
    let hop = AssumeRole::new(role_arn, "me@host".parse().unwrap());
    Source {
        start: Base::Environment.into(),
        hops: vec![hop],
        region: region.parse().unwrap(),
        endpoint_url: url,
        route,
        timeouts: Timeouts::default(),
        paths: ProfilePaths::of(&environment),
        environment: Arc::new(environment),
    }
}

async fn ask(region: &str, url: Option<String>, route: Route) -> Result<Grant, Failure> {
    RoleChain::new(source(region, url, route), Arc::new(SystemClock)).attempt().await
}

fn through(proxy: &str, route: Route) -> Route {
    Route { proxy: Some(Secret::new(proxy)), ..route }
}

#[tokio::test]
async fn a_bundle_with_the_right_authority_is_all_that_tls_needs() {
    let site = Site::new().await;
    ask("eu-central-1", Some(site.url()), site.route()).await.unwrap();
    assert_eq!(site.sts.count("AssumeRole"), 1);
}

#[tokio::test]
async fn a_request_arrives_where_it_should_signed_for_its_region() {
    // A15, A17
    let site = Site::new().await;
    let proxy = Proxy::start(site.port, None).await;
    for (region, fips, dual, host) in [
        ("eu-central-1", false, false, "sts.eu-central-1.amazonaws.com"),
        ("cn-north-1", false, false, "sts.cn-north-1.amazonaws.com.cn"),
        ("us-gov-west-1", false, false, "sts.us-gov-west-1.amazonaws.com"),
        ("us-gov-west-1", true, false, "sts.us-gov-west-1.amazonaws.com"),
        ("us-east-1", true, false, "sts-fips.us-east-1.amazonaws.com"),
        ("eu-central-1", false, true, "sts.eu-central-1.api.aws"),
        ("us-east-1", true, true, "sts-fips.us-east-1.api.aws"),
    ] {
        let mut route = through(&proxy.url(), site.route());
        route.use_fips_endpoint = fips;
        route.use_dualstack_endpoint = dual;
        ask(region, None, route).await.unwrap();
        assert_eq!(proxy.asked().pop().unwrap(), format!("{host}:443"));
        let asked = site.sts.asked().pop().unwrap();
        assert_eq!(asked.region.as_deref(), Some(region));
    }
}

#[tokio::test]
async fn the_global_endpoint_is_an_endpoint_like_any_other() {
    // A15
    let site = Site::new().await;
    let proxy = Proxy::start(site.port, None).await;
    let url = Some("https://sts.amazonaws.com".to_owned());
    ask("us-east-1", url, through(&proxy.url(), site.route())).await.unwrap();
    assert_eq!(proxy.asked(), ["sts.amazonaws.com:443"]);
}

#[tokio::test]
async fn a_proxy_may_want_a_password_or_refuse_or_be_gone() {
    let site = Site::new().await;
    let proxy = Proxy::start(site.port, Some("Basic bWU6aXQncyBtZQ==")).await;
    let told = |proxy: String| {
        let route = through(&proxy, site.route());
        async move { ask("eu-central-1", None, route).await.unwrap_err() }
    };
    ask("eu-central-1", None, through(&proxy.url_with("me:it's%20me"), site.route()))
        .await
        .unwrap();
    for (proxy, message) in [
        (proxy.url(), "the proxy wants a user name and a password"),
        (proxy.url_with("me:wrong"), "at the proxy: it refuses to connect us to the endpoint"),
        ("http://127.0.0.1:1".to_owned(), "at the proxy: connection refused"),
        ("socks5://127.0.0.1:1".to_owned(), "the URL of the proxy is not valid"),
        ("http://me:secret @h:1".to_owned(), "the URL of the proxy is not valid"),
    ] {
        let failure = told(proxy).await;
        assert_eq!((failure.kind, failure.message.as_str()), (Kind::Unreachable, message));
        assert!(!format!("{failure:?}").contains("secret"));
        assert!(failure.hint.is_some());
    }
}

#[tokio::test]
async fn no_proxy_is_asked_for_this_host_nor_for_what_is_exempt() {
    let site = Site::new().await;
    let proxy = Proxy::start(site.port, None).await;
    let route = || through(&proxy.url(), site.route());
    ask("eu-central-1", Some(site.url()), route()).await.unwrap();
    ask("eu-central-1", Some(site.sts.endpoint_url()), route()).await.unwrap();
    for exempt in ["sts.invalid", ".invalid", "a, invalid", "*"] {
        let url = Some("https://sts.invalid".to_owned());
        let exempt = Route { no_proxy: exempt.to_owned(), ..route() };
        let mut source = source("eu-central-1", url, exempt);
        // A resolver without a network may think for long.
        source.timeouts.connect = Duration::from_millis(200);
        let failure = RoleChain::new(source, Arc::new(SystemClock)).attempt().await.unwrap_err();
        assert!(!failure.message.contains("proxy"), "{failure}");
    }
    assert_eq!(proxy.asked(), [""; 0]);
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_called_so() {
    let ours = Authority::new("ours");
    for (ticket, word, hint) in [
        (Ticket::Foreign, "UnknownIssuer", "ca_bundle"),
        (Ticket::Expired, "expired", "clock"),
        (Ticket::NotYet, "not valid yet", "clock"),
        (Ticket::OtherName, "not valid for name", "endpoint_url"),
    ] {
        let site = Site::with(&ours, ticket).await;
        let failure = ask("eu-central-1", Some(site.url()), site.route()).await.unwrap_err();
        assert_eq!(failure.kind, Kind::Unreachable);
        let message = &failure.message;
        assert!(message.starts_with("the TLS certificate is not trusted: "), "{message}");
        assert!(message.contains(word), "{message}");
        assert!(failure.hint.unwrap().contains(hint), "{message}");
    }
}

#[tokio::test]
async fn a_bundle_of_no_use_is_named_and_may_be_mended() {
    let site = Site::new().await;
    let good = std::fs::read(site.bundle()).unwrap();
    let chain = RoleChain::new(
        source("eu-central-1", Some(site.url()), site.route()),
        Arc::new(SystemClock),
    );
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (text, why) in [
        ("", "it holds no certificate"),
        ("# nothing", "it holds no certificate"),
        (broken, "it holds something that is no certificate"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n", "it is not valid PEM"),
    ] {
        std::fs::write(site.bundle(), text).unwrap();
        let failure = chain.attempt().await.unwrap_err();
        assert!(failure.message.ends_with(why), "{failure}");
        assert!(failure.message.contains("ca.pem"), "{failure}");
        assert!(failure.hint.unwrap().contains("AWS_CA_BUNDLE"));
    }
    std::fs::remove_file(site.bundle()).unwrap();
    let failure = chain.attempt().await.unwrap_err();
    assert!(failure.message.contains("No such file"), "{failure}");
    std::fs::write(site.bundle(), good).unwrap();
    chain.attempt().await.unwrap();
}

const CHILD: &str = "ASSUMED_TEST_STS_URL";

#[tokio::test]
async fn the_systems_authorities_may_come_from_ssl_cert_file() {
    let site = Site::new().await;
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_trusts_its_system"])
        .env(CHILD, site.url())
        .env("SSL_CERT_FILE", site.bundle())
        .stdout(Stdio::null())
        .status();
    assert!(status.await.unwrap().success());
    assert_eq!(site.sts.count("AssumeRole"), 1);
}

/// Run by the test above in a process of its own, with an environment of its own.
#[tokio::test]
async fn child_that_trusts_its_system() {
    if let Ok(url) = std::env::var(CHILD) {
        ask("eu-central-1", Some(url), Route::default()).await.unwrap();
    }
}

const THROUGH: &str = "ASSUMED_TEST_PROXY";

const CONFIG: &str = "
[profile reader]
sso_session = corp
sso_account_id = 210987654321
sso_role_name = reader
[sso-session corp]
sso_region = eu-central-1
sso_start_url = https://corp.example/start
";
/// Found by the SHA-1 of the session's name.
const LOGIN: &str = "ee0bfd2552fbd840c02cc48b6e823320543c450f.json";
const LOGGED_IN: &str = r#"{"accessToken": "login", "expiresAt": "2999-01-01T00:00:00Z"}"#;
const LENT: &str = r#"{"roleCredentials": {"accessKeyId": "ASIAREADER", "secretAccessKey": "k",
    "sessionToken": "t", "expiration": 32472144000000}}"#;

/// A home with a login in it, and what a child learned there from a portal's answer.
struct Desk {
    room: TempDir,
    proxy: Proxy,
}

impl Desk {
    async fn new(status: &'static str, body: &'static str) -> Self {
        let ours = Authority::new("ours");
        let room = tempfile::tempdir().unwrap();
        let aws = room.path().join(".aws");
        std::fs::create_dir_all(aws.join("sso/cache")).unwrap();
        std::fs::write(aws.join("config"), CONFIG).unwrap();
        std::fs::write(aws.join("ca.pem"), ours.pem()).unwrap();
        let front = front(canned(status, body).await, ours.server(&NAMES, Ticket::Valid)).await;
        Self { room, proxy: Proxy::start(front, None).await }
    }

    fn login(self, text: &str) -> Self {
        let cache = self.room.path().join(".aws/sso/cache");
        std::fs::write(cache.join(LOGIN), text).unwrap();
        self
    }

    /// What came of each attempt of the child.
    async fn outcome(&self) -> String {
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_that_may_be_logged_in"])
            .env(THROUGH, self.proxy.url())
            .env("HOME", self.room.path())
            .stdout(Stdio::null())
            .status();
        assert!(status.await.unwrap().success());
        std::fs::read_to_string(self.room.path().join("outcome")).unwrap()
    }
}

#[tokio::test]
async fn identity_center_is_asked_over_the_same_network() {
    let desk = Desk::new("200 OK", LENT).await.login(LOGGED_IN);
    assert_eq!(desk.outcome().await, "ASIAREADER 210987654321\nASIAREADER 210987654321\n");
    let portal = "portal.sso.eu-central-1.amazonaws.com:443";
    assert_eq!(desk.proxy.asked(), [portal, portal]);
}

#[tokio::test]
async fn a_new_login_is_seen_by_the_next_attempt() {
    let desk = Desk::new("200 OK", LENT).await;
    std::fs::write(desk.room.path().join("new-login"), LOGGED_IN).unwrap();
    let told = desk.outcome().await;
    assert!(told.starts_with("needs-human: no credentials from IAM Identity Center: "), "{told}");
    assert!(told.contains("(run `aws sso login --profile reader`)\nASIAREADER "), "{told}");
}

#[tokio::test]
async fn a_login_that_has_ended_is_told_from_a_portal_in_trouble() {
    let ended = r#"{"accessToken": "login", "expiresAt": "2001-01-01T00:00:00Z"}"#;
    let unregistered = r#"{"accessToken": "login", "expiresAt": "2001-01-01T00:00:00Z",
        "refreshToken": "again", "clientId": "id", "clientSecret": "secret",
        "registrationExpiresAt": "2001-01-01T00:00:00Z", "region": "eu-central-1",
        "startUrl": "https://corp.example/start"}"#;
    for (status, login, kind, asked) in [
        ("200 OK", ended, "needs-human", 0),
        ("200 OK", unregistered, "needs-human", 0),
        ("401 Unauthorized", LOGGED_IN, "needs-human", 2),
        ("403 Forbidden", LOGGED_IN, "refused", 2),
        ("429 Too Many Requests", LOGGED_IN, "throttled", 2),
        ("503 Slow Down", LOGGED_IN, "unreachable", 2),
    ] {
        let desk = Desk::new(status, r#"{"message": "hush"}"#).await.login(login);
        let told = desk.outcome().await;
        assert!(told.starts_with(&format!("{kind}: ")), "{status}: {told}");
        assert!(!told.contains("again\"") && !told.contains("hush"), "{told}");
        assert_eq!(desk.proxy.asked().len(), asked, "{status}: {told}");
    }
}

/// Run by the tests above: the cached login is looked for under `HOME`.
#[tokio::test]
async fn child_that_may_be_logged_in() {
    let Ok(proxy) = std::env::var(THROUGH) else { return };
    let home = std::env::home_dir().unwrap();
    let aws = home.join(".aws");
    let route = Route { ca_bundle: Some(aws.join("ca.pem")), ..Route::default() };
    let mut source = source("eu-west-1", None, through(&proxy, route));
    source.hops.clear();
    source.start = Base::Profile { name: "reader".to_owned(), kind: BaseKind::Sso }.into();
    source.paths = ProfilePaths { config: aws.join("config"), credentials: aws.join("none") };
    let chain = RoleChain::new(source, Arc::new(SystemClock));
    let mut outcome = Vec::new();
    for _ in 0..2 {
        outcome.push(match chain.attempt().await {
            Ok(grant) => {
                format!("{} {}\n", grant.credentials.access_key_id(), grant.account.unwrap())
            }
            Err(failure) => {
                let hint = failure.hint.unwrap();
                format!("{}: {} ({hint})\n", failure.kind.name(), failure.message)
            }
        });
        if let Ok(login) = std::fs::read(home.join("new-login")) {
            std::fs::write(aws.join("sso/cache").join(LOGIN), login).unwrap();
        }
    }
    std::fs::write(home.join("outcome"), outcome.concat()).unwrap();
}
