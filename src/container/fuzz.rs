//! Fuzz targets of the container endpoints: stored consumers, pods' tokens, issuers' keys.

#![allow(clippy::missing_panics_doc, reason = "an assertion that fails is a finding")]

use std::sync::LazyLock;

use super::pod::{self, Keyring, TokenHistory};
use super::{Consumers, Document, Order, Place, Reply, Request, View, answer};
use crate::access::permit::Permit;
use crate::config::PodRule;
use crate::fuzz_targets::{START, assert_no_secret, credentials};
use crate::imds::{self, Field, HostNames, Method};

/// The file of consumers in the state directory.
///
/// What is read is written the same way, and each consumer can be listed and revoked by
/// its name.
pub fn consumer_store(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(mut consumers) = Consumers::from_ledger(text, START) else { return };
    let written = consumers.ledger(START);
    let again = Consumers::from_ledger(&written, START).expect("it was just written");
    assert_eq!(again.ledger(START), written);
    let listed = consumers.list(START);
    assert!(listed.len() <= Consumers::MOST);
    for consumer in &listed {
        assert!(consumers.revoke(&consumer.name).is_some());
        assert!(consumers.revoke(&consumer.name).is_none(), "two of the name {}", consumer.name);
    }
    assert!(consumers.is_empty());
}

fn head<'a>(path: &'a str, host: &'a [u8]) -> imds::Request<'a> {
    imds::Request {
        method: Method::Get,
        path,
        authority: None,
        http_10: false,
        host: Field::One(host),
        token: Field::Absent,
        ttl: Field::Absent,
        forwarded: false,
        browser: false,
        expects: false,
    }
}

/// A request to the container endpoint: target, and after the first line feed `Authorization`.
///
/// Only what holds a consumer's secret, in the place where this consumer shows it, is given
/// credentials (S3, S9).
pub fn container_request(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (target, authorization) = text.split_once('\n').unwrap_or((text, ""));
    let (path, query) = target.split_once('?').map_or((target, None), |(path, q)| (path, Some(q)));
    let mut consumers = Consumers::default();
    let mut mint = |name: &str, place, bits: u8| {
        let name = name.parse().expect("a name");
        let order =
            Order { name, role: "dev".into(), place, lifetime: None, kept: false, narrowing: None };
        consumers.mint(order, &[bits; 32], START).expect("there is room")
    };
    let in_header = mint("header", Place::Authorization, 1);
    let in_path = mint("path", Place::Path, 2);
    let (snapshot, grant) = credentials();
    let view = View {
        names: &HostNames::new([], []),
        local: [127, 0, 0, 1].into(),
        permit: Permit::Everything,
        consumers: &consumers,
        document: &|_| Some(Document::of(&snapshot, &grant)),
        now: START,
        patient: false,
    };
    let authorization = Field::One(authorization.as_bytes());
    let request = Request { head: head(path, b"localhost"), authorization, query };
    if let Reply::Credentials(_) = answer(&request, &view).into_reply() {
        let by_header =
            matches!(authorization, Field::One(it) if it == in_header.expose().as_bytes());
        assert!(by_header || target.contains(in_path.expose()), "{text:?}");
    }
}

const ISSUER: &str = "https://oidc.example.com/c";
/// The modulus of an RSA key of 2048 bits.
const MODULUS: &str = "m-U_hRwGixK44Le_p5yf1V_n7P9yWbWmyfgoLycRuh2dvwPuOwfmZ_gTfIBYmALkD1REMZloq67H8A23\
    Prx3wmLpuLXVpGFMY6b6tds-XTbcaLr9DkoXW2TjsBFFg0mvFVzCQ3XbYvJWNdmlCR9wJzk9-IalKIu0\
    SUvppRkf96es_pQ8VBZMnQ0od6QI3YCm8hatXnYrlqFiNhleG9DCM5fvsoiIj-rmkoPLwHazPATV-zvS\
    bSUvfM-IkGnGjAHPOMS45sZoExZVE0P9BwiomgORZ16HvUuO62k5LaqOk-dKxjWx9IP1LzJDJgcodeFa\
    6ad3SQBzKAc1MiQKhq_rLw";
/// A token that this key signed, for an hour from [`START`]; the private key is not kept.
const SIGNED: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6InIifQ.eyJpc3MiOiJodHRwczovL29pZGMuZXhhbXBsZS5jb20vY\
    yIsInN1YiI6InN5c3RlbTpzZXJ2aWNlYWNjb3VudDpzaG9wOndlYiIsImF1ZCI6WyJwb2RzLmVrcy5hb\
    WF6b25hd3MuY29tIl0sImV4cCI6MTgwMDAwMzYwMCwibmJmIjoxNzk5OTk5MDAwfQ.HgCWRCc02m6K9S\
    FxpVZFDfhCg9Tc9FviHl_KYXjvCi2B_e8ntd7IPItFa87AHXt2iCQ5qA4EfvwT3uSvHGkUsHdqdoI3oD\
    UZjvspKaISr3X4yOlpJ8g8TkCgIrImYQ0o23g1uNpW8b1SkSBE4SSu0x-qU4zt8ck4j8zF_Lx3y4csVv\
    T6SaKpqY-0epgjJUcbsj4QpOeHHKRS2AC9Yy37kFhU_mnAosWR4fIr29FFBkpa3GEzPiXbTxeIGtiqoz\
    gsywDvqGwk9q2WkfmFspW-DMNwHD75ru20atAu3SnLrFlOWCOjE1FHIFh7UBuOXyxBcdO_IVTkma2XAa\
    ATCAHwwA";

static KEYS: LazyLock<Keyring> = LazyLock::new(|| {
    let set =
        format!(r#"{{"keys": [{{"kty": "RSA", "kid": "r", "n": "{MODULUS}", "e": "AQAB"}}]}}"#);
    Keyring::read(&set).expect("a key set")
});

/// The reply to a pod with this token, if the issuer has these keys.
fn shown(token: &[u8], keys: &Keyring) -> pod::Reply {
    let head = head("/v1/credentials", b"169.254.170.23");
    let rules = [PodRule {
        issuer: ISSUER.to_owned(),
        jwks_file: None,
        audience: "pods.eks.amazonaws.com".to_owned(),
        subject: "system:serviceaccount:shop:*".to_owned(),
        role: "dev".to_owned(),
    }];
    let (snapshot, grant) = credentials();
    let document = Document::of(&snapshot, &grant);
    let view = pod::View {
        names: &HostNames::of_pod_agent([], []),
        local: [10, 0, 0, 1].into(),
        rules: &rules,
        source: [10, 0, 0, 2].into(),
        history: &TokenHistory::default(),
        keys: &|issuer| (issuer == ISSUER).then_some(keys),
        document: &|role| (role == "dev").then(|| document.clone()),
        now: START,
        fetches: false,
        patient: false,
    };
    let request = Request { head, authorization: Field::One(token), query: None };
    pod::answer(&request, &view).into_reply()
}

/// The token of a service account.
///
/// The only token that opens the role is the one that the issuer signed (K4).
pub fn pod_token(data: &[u8]) {
    let reply = shown(data, &KEYS);
    assert_eq!(reply.status() == 200, data == SIGNED.as_bytes());
    if reply.status() != 200 {
        assert_no_secret(&String::from_utf8_lossy(&reply.body()), data);
    }
}

/// The key set of an issuer (RFC 7517).
///
/// No key set that lacks the issuer's key makes its token count.
pub fn key_set(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(keys) = Keyring::read(text) else { return };
    let counts = shown(SIGNED.as_bytes(), &keys).status() == 200;
    assert!(!counts || text.contains(MODULUS), "{text}");
    // `none` and what is no signature are never accepted, whatever the key is.
    let parts: Vec<&str> = SIGNED.split('.').collect();
    let [header, claims, signature] = parts.as_slice() else { return };
    let unsigned = [
        format!("{header}.{claims}."),
        format!("eyJhbGciOiJub25lIn0.{claims}."),
        format!("eyJhbGciOiJIUzI1NiIsImtpZCI6InIifQ.{claims}.{signature}"),
    ];
    for token in unsigned {
        assert_ne!(shown(token.as_bytes(), &keys).status(), 200, "{token}");
    }
}
