//! The rules asked through [`super::answer()`], with a cluster of our own.

mod forged;
mod history;
mod key_sets;
mod properties;

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64_URL;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};

use super::{
    Answer, InvalidKeySet, IssuerKeys, Keyring, Refusal, Reply, TokenHistory, View, answer,
};
use crate::clock::Now;
use crate::config::PodRule;
use crate::container::tests::{START, grant, later, snapshot};
use crate::container::{Document, Prospect, Request};
use crate::imds::{self, Field, HostNames, Method};

const ISSUER: &str = "https://oidc.example.com/c";
const WEB: &str = "system:serviceaccount:shop:web";

/// An RSA key of 2048 bits, and a token of an hour that it signed at `START`: by openssl.
const MODULUS: &str = "m-U_hRwGixK44Le_p5yf1V_n7P9yWbWmyfgoLycRuh2dvwPuOwfmZ_gTfIBYmALkD1REMZloq67H8A23\
    Prx3wmLpuLXVpGFMY6b6tds-XTbcaLr9DkoXW2TjsBFFg0mvFVzCQ3XbYvJWNdmlCR9wJzk9-IalKIu0\
    SUvppRkf96es_pQ8VBZMnQ0od6QI3YCm8hatXnYrlqFiNhleG9DCM5fvsoiIj-rmkoPLwHazPATV-zvS\
    bSUvfM-IkGnGjAHPOMS45sZoExZVE0P9BwiomgORZ16HvUuO62k5LaqOk-dKxjWx9IP1LzJDJgcodeFa\
    6ad3SQBzKAc1MiQKhq_rLw";
const SIGNED_BY_RSA: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6InIifQ.eyJpc3MiOiJodHRwczovL29pZGMuZXhhbXBsZS5jb20vY\
    yIsInN1YiI6InN5c3RlbTpzZXJ2aWNlYWNjb3VudDpzaG9wOndlYiIsImF1ZCI6WyJwb2RzLmVrcy5hb\
    WF6b25hd3MuY29tIl0sImV4cCI6MTgwMDAwMzYwMCwibmJmIjoxNzk5OTk5MDAwfQ.HgCWRCc02m6K9S\
    FxpVZFDfhCg9Tc9FviHl_KYXjvCi2B_e8ntd7IPItFa87AHXt2iCQ5qA4EfvwT3uSvHGkUsHdqdoI3oD\
    UZjvspKaISr3X4yOlpJ8g8TkCgIrImYQ0o23g1uNpW8b1SkSBE4SSu0x-qU4zt8ck4j8zF_Lx3y4csVv\
    T6SaKpqY-0epgjJUcbsj4QpOeHHKRS2AC9Yy37kFhU_mnAosWR4fIr29FFBkpa3GEzPiXbTxeIGtiqoz\
    gsywDvqGwk9q2WkfmFspW-DMNwHD75ru20atAu3SnLrFlOWCOjE1FHIFh7UBuOXyxBcdO_IVTkma2XAa\
    ATCAHwwA";

fn encoded(value: &Value) -> String {
    BASE64_URL.encode(value.to_string())
}

/// An issuer with one key.
struct Cluster {
    pair: EcdsaKeyPair,
    kid: &'static str,
}

impl Cluster {
    fn new(kid: &'static str) -> Self {
        let (random, algorithm) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap();
        Self { pair, kid }
    }

    fn key(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        let [x, y] = [&point[1..33], &point[33..]].map(|half| BASE64_URL.encode(half));
        json!({"kty": "EC", "crv": "P-256", "kid": self.kid, "use": "sig", "x": x, "y": y})
    }

    fn keyring(&self) -> Keyring {
        Keyring::read(&json!({"keys": [self.key()]}).to_string()).unwrap()
    }

    fn signed(&self, header: &Value, claims: &Value) -> String {
        self.signed_text(&header.to_string(), &claims.to_string())
    }

    /// Signs what need not be JSON.
    fn signed_text(&self, header: &str, claims: &str) -> String {
        let [header, claims] = [header, claims].map(|part| BASE64_URL.encode(part));
        let text = format!("{header}.{claims}");
        let signature = self.pair.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
        format!("{text}.{}", BASE64_URL.encode(signature))
    }

    /// A token of an hour, some of its claims changed.
    fn token(&self, changes: &Value) -> String {
        self.signed(&json!({"alg": "ES256", "kid": self.kid}), &claims(changes))
    }
}

fn claims(changes: &Value) -> Value {
    let start = START.wall.as_second();
    let mut claims = json!({
        "iss": ISSUER, "sub": WEB, "aud": ["pods.eks.amazonaws.com"],
        "iat": start, "nbf": start, "exp": start + 3600,
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

fn rule(subject: &str, role: &str) -> PodRule {
    PodRule {
        issuer: ISSUER.to_owned(),
        jwks_file: None,
        audience: "pods.eks.amazonaws.com".to_owned(),
        subject: subject.to_owned(),
        role: role.to_owned(),
    }
}

fn request<'a>(path: &'a str, host: &'a str, authorization: Field<'a>) -> Request<'a> {
    let head = imds::Request {
        method: Method::Get,
        path,
        authority: None,
        http_10: false,
        host: Field::One(host.as_bytes()),
        token: Field::Absent,
        ttl: Field::Absent,
        forwarded: false,
        browser: false,
        expects: false,
    };
    Request { head, authorization, query: None }
}

struct World {
    cluster: Cluster,
    rules: Vec<PodRule>,
    keys: IssuerKeys,
    history: TokenHistory,
    source: IpAddr,
    document: Document,
    now: Now,
    waits: bool,
}

impl World {
    fn new() -> Self {
        let cluster = Cluster::new("one");
        let keys = IssuerKeys { fetched: Some((cluster.keyring(), START.boot)), attempts: 1 };
        let document = Document::of(&snapshot(), &grant());
        let rules = vec![
            rule("system:serviceaccount:shop:banned", "gone"),
            rule("system:serviceaccount:shop:*", "dev"),
        ];
        let (history, source) = (TokenHistory::default(), "10.0.0.9".parse().unwrap());
        Self { cluster, rules, keys, history, source, document, now: START, waits: false }
    }

    /// Has these keys fetched now.
    fn fetch(&mut self, keyring: Keyring) {
        self.keys.fetched = Some((keyring, self.now.boot));
    }

    fn ask(&self, path: &str, host: &str, authorization: Field<'_>) -> Answer {
        self.look(path, host, authorization, &self.history)
    }

    /// Judges a request with nothing remembered but this.
    fn look(
        &self,
        path: &str,
        host: &str,
        authorization: Field<'_>,
        history: &TokenHistory,
    ) -> Answer {
        let usable = self.keys.usable(self.now.boot);
        let view = View {
            names: &HostNames::of_pod_agent([], []),
            local: "10.0.0.1".parse().unwrap(),
            source: self.source,
            history,
            rules: &self.rules,
            keys: &|issuer| usable.filter(|_| issuer == ISSUER),
            document: &|role| (role == "dev").then(|| self.document.clone()),
            now: self.now,
            fetches: self.waits,
            patient: self.waits,
        };
        answer(&request(path, host, authorization), &view)
    }

    fn shown(&self, token: &str) -> Answer {
        self.shown_bytes(token.as_bytes())
    }

    fn shown_bytes(&self, token: &[u8]) -> Answer {
        self.ask("/v1/credentials", "169.254.170.23", Field::One(token))
    }

    /// Shows the token as if it were the first one ever.
    fn shown_first(&self, token: &str) -> Answer {
        let history = TokenHistory::default();
        let token = Field::One(token.as_bytes());
        self.look("/v1/credentials", "169.254.170.23", token, &history)
    }

    fn with(&self, changes: &Value) -> (u16, String) {
        told(self.shown(&self.cluster.token(changes)))
    }
}

fn told(answer: Answer) -> (u16, String) {
    let Answer::Reply(reply) = answer else { panic!("{answer:?}") };
    (reply.status(), String::from_utf8(reply.body().to_vec()).unwrap())
}

#[test]
fn k6_a_pod_gets_the_credentials_of_its_role() {
    let (status, body) = World::new().with(&json!({}));
    assert_eq!(status, 200);
    assert!(body.starts_with("{\"AccessKeyId\":\"ASIAEXAMPLE\","), "{body}");
    let single = World::new().with(&json!({"aud": "pods.eks.amazonaws.com", "nbf": null}));
    assert_eq!(single.0, 200);
}

#[test]
fn k2_nothing_else_has_a_path() {
    let world = World::new();
    let token = world.cluster.token(&json!({}));
    for path in ["/", "/v1/credentials/", "/v1//credentials", "/v1/credentials/dev", "*"] {
        let answer = world.ask(path, "169.254.170.23", Field::One(token.as_bytes()));
        assert_eq!(told(answer), (404, "404 page not found\n".to_owned()), "{path}");
    }
}

#[test]
fn k4_the_checks_come_in_the_order_of_the_agent() {
    let world = World::new();
    let text = |answer: Answer| {
        let (status, text) = told(answer);
        let words: Vec<&str> = text.split_whitespace().take(6).collect();
        format!("{status} {}", words.join(" "))
    };
    let ask = |host: &str, token: Field<'_>| text(world.ask("/v1/credentials", host, token));
    for host in ["169.254.169.254", "localhost", "evil.example", "[fd00:ec2::254]"] {
        assert_eq!(ask(host, Field::Absent), "403 Access Denied. Called agent through invalid");
    }
    for host in ["169.254.170.23:80", "[fd00:ec2::23]", "fd00:ec2::23", "10.0.0.1:8080"] {
        let empty = "400 Service account token cannot be empty";
        assert_eq!(ask(host, Field::Absent), empty, "{host}");
        assert_eq!(ask(host, Field::One(b"")), empty, "{host}");
    }
    for token in ["Bearer x", "a.b", "a.b.c", "e30.e30.e30", "\u{e9}", &"x".repeat(20_000)] {
        let unreadable = "400 Service account token cannot be parsed:";
        assert_eq!(text(world.shown(token)), unreadable, "{token}");
    }
    let late = world.cluster.token(&json!({"exp": START.wall.as_second() - 60}));
    let failed = "400 Service account token failed basic claim";
    assert_eq!(text(world.shown(&late)), failed);
    let early = world.cluster.token(&json!({"nbf": START.wall.as_second() + 61}));
    assert_eq!(text(world.shown(&early)), failed);
    let endless = world.cluster.token(&json!({"exp": null}));
    assert_eq!(text(world.shown(&endless)), failed);
    // Times come before the signature, whatever that is.
    let (signed, _) = late.rsplit_once('.').unwrap();
    assert_eq!(text(world.shown(&format!("{signed}.signature!"))), failed);
}

#[test]
fn k5_refusals_are_plain_text_with_a_line_feed() {
    let answer = World::new().ask("/", "169.254.170.23", Field::Absent);
    let Answer::Reply(reply) = answer else { panic!() };
    let fields: Vec<_> = reply.fields().collect();
    assert!(fields.contains(&imds::ReplyField::ContentType("text/plain; charset=utf-8")));
    assert!(fields.contains(&imds::ReplyField::NoSniff));
    assert!(fields.contains(&imds::ReplyField::ContentLength(reply.body().len())));
    assert!(reply.body().ends_with(b"\n"));
}

#[test]
fn a_token_counts_only_if_a_key_of_its_issuer_signed_it() {
    let mut world = World::new();
    let own = world.cluster.token(&json!({}));
    let stranger = Cluster::new("one");
    let forged = |answer| {
        let (status, text) = told(answer);
        status == 400 && text.contains("(InvalidTokenException)")
    };
    assert!(forged(world.shown(&stranger.token(&json!({})))), "another key of that name");
    let elsewhere = world.cluster.token(&json!({"iss": "https://evil.example"}));
    assert!(forged(world.shown(&elsewhere)), "an issuer of nobody's");
    let (head, tail) = own.split_at(own.len() - 8);
    assert!(forged(world.shown(&format!("{head}AAAAAAAA{}", &tail[8..]))));
    for alg in ["none", "HS256", "RS256", "ES384", "ES256K"] {
        let header = json!({"alg": alg, "kid": "one"});
        let token = world.cluster.signed(&header, &claims(&json!({})));
        assert!(forged(world.shown(&token)), "{alg}");
    }
    let other_claims = format!(
        "{}.{}.{}",
        own.split('.').next().unwrap(),
        encoded(&claims(&json!({"sub": "system:serviceaccount:shop:admin"}))),
        own.rsplit('.').next().unwrap()
    );
    assert!(forged(world.shown(&other_claims)), "the signature of another token");
    world.fetch(stranger.keyring());
    assert!(forged(world.shown(&own)));
}

#[test]
fn who_is_meant_by_no_entry_gets_nothing() {
    let world = World::new();
    for changes in [
        json!({"sub": "system:serviceaccount:ops:web"}),
        json!({"sub": ""}),
        json!({"sub": "system:serviceaccount:shop:banned"}),
    ] {
        let (status, text) = world.with(&changes);
        assert_eq!(status, 404, "{changes}");
        assert!(text.contains("(ResourceNotFoundException)"), "{text}");
    }
}

#[test]
fn keys_that_are_missing_are_waited_for_once() {
    let mut world = World::new();
    let token = world.cluster.token(&json!({}));
    let unknown = Cluster::new("two").token(&json!({}));
    world.waits = true;
    assert_eq!(world.shown(&unknown), Answer::Fetch(ISSUER.to_owned()), "a key was made anew");
    world.keys.fetched = None;
    assert_eq!(world.shown(&token), Answer::Fetch(ISSUER.to_owned()));
    world.waits = false;
    let (status, text) = told(world.shown(&token));
    assert_eq!(status, 503);
    assert!(text.contains("(ServiceUnavailableException)"), "{text}");
}

#[test]
fn where_nothing_valid_is_held_the_last_outcome_decides() {
    let mut world = World::new();
    let token = world.cluster.token(&json!({"exp": START.wall.as_second() + 90_000}));
    world.now = later(3600);
    world.fetch(world.cluster.keyring());
    world.waits = true;
    assert_eq!(world.shown(&token), Answer::Wait("dev".to_owned()));
    world.waits = false;
    let mut status = |document: Document| {
        world.document = document;
        told(world.shown(&token)).0
    };
    let held = Document::of(&snapshot(), &grant());
    assert_eq!(status(held.with(Prospect::Refused)), 403);
    assert_eq!(status(held.with(Prospect::Locked)), 403);
    assert_eq!(status(Document::awaited()), 503);
    assert_eq!(status(held), 500);
}

#[test]
fn k4_a_token_for_another_recipient_is_told_so() {
    let mut world = World::new();
    let audience = "400 Service account token failed basic claim validations: \
                    token has invalid claims: token has invalid audience\n";
    for aud in [json!("sts.amazonaws.com"), json!([]), json!(""), json!(["a", "b"])] {
        for sub in [WEB, "system:serviceaccount:ops:web"] {
            let (status, text) = world.with(&json!({"aud": aud, "sub": sub}));
            assert_eq!(format!("{status} {text}"), audience, "{aud} {sub}");
        }
    }
    let several = json!({"aud": ["sts.amazonaws.com", "pods.eks.amazonaws.com"]});
    assert_eq!(world.with(&several).0, 200);
    for aud in [
        json!("pods.eks.amazonaws.com."),
        json!("PODS.eks.amazonaws.com"),
        json!(["pods.eks.amazonaws.com,x"]),
    ] {
        assert_eq!(world.with(&json!({"aud": aud})).0, 400, "{aud}");
    }
    // An entry for this subject expects another audience than an entry for another subject.
    let mut other = rule("system:serviceaccount:ops:*", "dev");
    other.audience = "assumed".to_owned();
    world.rules.push(other);
    let (status, text) = world.with(&json!({"aud": "assumed"}));
    assert_eq!(format!("{status} {text}"), audience);
    assert_eq!(world.with(&json!({"aud": "assumed", "sub": "system:serviceaccount:ops:x"})).0, 200);
    assert_eq!(world.with(&json!({"aud": "assumed", "sub": "system:serviceaccount:x:x"})).0, 404);
}

#[test]
fn clocks_may_be_a_minute_apart_and_no_more() {
    let world = World::new();
    let start = START.wall.as_second();
    for claim in ["exp", "nbf", "iat"] {
        let sign = if claim == "exp" { -1 } else { 1 };
        let status = |seconds: i64| world.with(&json!({claim: start + sign * seconds})).0;
        assert_eq!(status(59), 200, "{claim}");
        assert_eq!(status(61), 400, "{claim}");
        let fraction = |seconds: f64| {
            #[allow(clippy::cast_precision_loss)]
            let time = start as f64 + f64::from(i32::try_from(sign).unwrap()) * seconds;
            world.with(&json!({claim: time})).0
        };
        assert_eq!((fraction(59.5), fraction(60.5)), (200, 400), "{claim}");
    }
    assert_eq!(world.with(&json!({"nbf": null, "iat": null})).0, 200, "both may be missing");
    for time in [json!("1800003600"), json!(true), json!([1_800_003_600]), json!(-1), json!(1e300)]
    {
        let status = world.with(&json!({"exp": time})).0;
        assert_eq!(status, if time == json!(1e300) { 200 } else { 400 }, "{time}");
    }
}
