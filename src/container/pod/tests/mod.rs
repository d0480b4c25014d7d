//! The rules asked through [`super::answer()`], with a cluster of our own.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64_URL;
use proptest::prelude::*;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};

use super::{Answer, Keyring, NoKeys, Reply, View, answer};
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
        let text = format!("{}.{}", encoded(header), encoded(claims));
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

struct World {
    cluster: Cluster,
    keys: Option<Keyring>,
    document: Document,
    now: Now,
    waits: bool,
}

impl World {
    fn new() -> Self {
        let cluster = Cluster::new("one");
        let keys = Some(cluster.keyring());
        let document = Document::of(&snapshot(), &grant());
        Self { cluster, keys, document, now: START, waits: false }
    }

    fn ask(&self, path: &str, host: &str, authorization: Field<'_>) -> Answer {
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
        let rules = [
            rule("system:serviceaccount:shop:banned", "gone"),
            rule("system:serviceaccount:shop:*", "dev"),
        ];
        let view = View {
            names: &HostNames::of_pod_agent([], []),
            local: "10.0.0.1".parse().unwrap(),
            rules: &rules,
            keys: &|issuer| self.keys.as_ref().filter(|_| issuer == ISSUER),
            document: &|role| (role == "dev").then(|| self.document.clone()),
            now: self.now,
            fetches: self.waits,
            patient: self.waits,
        };
        answer(&Request { head, authorization, query: None }, &view)
    }

    fn shown(&self, token: &str) -> Answer {
        self.ask("/v1/credentials", "169.254.170.23", Field::One(token.as_bytes()))
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
    let late = world.cluster.token(&json!({"exp": START.wall.as_second()}));
    let failed = "400 Service account token failed basic claim";
    assert_eq!(text(world.shown(&late)), failed);
    let early = world.cluster.token(&json!({"nbf": START.wall.as_second() + 1}));
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
    world.keys = Some(stranger.keyring());
    assert!(forged(world.shown(&own)));
}

#[test]
fn who_is_meant_by_no_entry_gets_nothing() {
    let world = World::new();
    for changes in [
        json!({"sub": "system:serviceaccount:ops:web"}),
        json!({"sub": ""}),
        json!({"aud": "sts.amazonaws.com"}),
        json!({"aud": []}),
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
    world.keys = None;
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
fn a_key_of_rsa_is_good_too() {
    let key = json!({"kty": "RSA", "kid": "r", "n": MODULUS, "e": "AQAB"});
    let ring = |key: &Value| Keyring::read(&json!({"keys": [key]}).to_string());
    let mut world = World::new();
    world.keys = Some(ring(&key).unwrap());
    assert_eq!(told(world.shown(SIGNED_BY_RSA)).0, 200);
    let mut other = key.clone();
    other["alg"] = json!("RS512");
    world.keys = Some(ring(&other).unwrap());
    assert_eq!(told(world.shown(SIGNED_BY_RSA)).0, 400, "a key for another algorithm");
    other["use"] = json!("enc");
    assert_eq!(ring(&other), Err(NoKeys::Unknown));
    assert_eq!(ring(&json!({"kty": "oct", "k": "AAAA"})), Err(NoKeys::Unknown));
    assert_eq!(Keyring::read("<html>"), Err(NoKeys::Malformed));
}

proptest! {
    #[test]
    fn nothing_that_a_pod_shows_brings_the_reader_down(token in "\\PC{0,200}") {
        let answer = World::new().shown(&token);
        let refused = matches!(&answer, Answer::Reply(Reply::Refusal(_)));
        prop_assert!(refused, "{answer:?}");
    }
}
