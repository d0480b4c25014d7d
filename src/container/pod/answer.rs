//! The order of the checks, and the answer that comes of them (K2, K4).

use std::fmt;
use std::net::IpAddr;

use super::claims::Claims;
use super::keyring::Keyring;
use super::refusal::{Refusal, Reply};
use super::verify::{Outcome, TokenHistory, verify};
use crate::clock::Now;
use crate::config::PodRule;
use crate::container::{self, Document, Request};
use crate::imds::{Field, HostNames, Status, guard};

/// What an answer depends on besides the request.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// The names by which we may be called.
    pub names: &'a HostNames,
    /// The local address of the accepted socket: always an own name.
    pub local: IpAddr,
    /// Which pod has which role: the first that fits decides.
    pub rules: &'a [PodRule],
    /// Where the request comes from.
    pub source: IpAddr,
    /// What is remembered of earlier tokens.
    pub history: &'a TokenHistory,
    /// The keys of an issuer, if any count now.
    pub keys: &'a dyn Fn(&str) -> Option<&'a Keyring>,
    /// The document of a role.
    pub document: &'a dyn Fn(&str) -> Option<Document>,
    /// When the request is judged.
    pub now: Now,
    /// There is time left to fetch keys.
    pub fetches: bool,
    /// There is time left to wait for credentials.
    pub patient: bool,
}

impl View<'_> {
    /// True if this request has waited for keys before it is judged again.
    pub(super) const fn has_fetched(&self) -> bool {
        !self.fetches && self.patient
    }
}

impl fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").field("local", &self.local).finish_non_exhaustive()
    }
}

/// What to do about a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// Send this.
    Reply(Reply),
    /// The keys of this issuer are missing, or not what they were.
    Fetch(String),
    /// Nothing valid is held of this role.
    Wait(String),
}

impl Answer {
    /// What is sent in any case.
    #[must_use]
    pub fn into_reply(self) -> Reply {
        match self {
            Self::Reply(reply) => reply,
            Self::Fetch(_) => Reply::Refusal(Refusal::NO_KEYS),
            Self::Wait(_) => Reply::Refusal(Refusal::NOT_YET),
        }
    }
}

/// Judges one request, by whatever method it comes (K2).
#[must_use]
pub fn answer(request: &Request<'_>, view: &View<'_>) -> Answer {
    decide(request, view).unwrap_or_else(|refusal| Answer::Reply(Reply::Refusal(refusal)))
}

fn decide(request: &Request<'_>, view: &View<'_>) -> Result<Answer, Refusal> {
    if request.head.path != "/v1/credentials" {
        return Err(Refusal::NOT_FOUND);
    }
    // Older HTTP need not name anybody, but the agent wants its address (K4).
    if request.head.http_10 && matches!(request.head.host, Field::Absent) {
        return Err(Refusal::FOREIGN);
    }
    guard::host(&request.head, view.names, view.local).map_err(|status| match status {
        Status::Forbidden => Refusal::FOREIGN,
        _ => Refusal::MALFORMED,
    })?;
    let text = match request.authorization {
        Field::Absent | Field::One(b"") => return Err(Refusal::EMPTY),
        Field::Many => return Err(Refusal::unreadable("there are two of them")),
        Field::One(text) => text,
    };
    let claims = match verify(text, view)? {
        Outcome::Valid(verified) => verified.claims,
        Outcome::MissingKeys(issuer) => return Ok(Answer::Fetch(issuer)),
    };
    read(&rule_for(&claims, view.rules)?.role, view)
}

/// The first rule that is about these claims.
fn rule_for<'a>(claims: &Claims, rules: &'a [PodRule]) -> Result<&'a PodRule, Refusal> {
    let of_issuer = || rules.iter().filter(|rule| rule.issuer == claims.issuer);
    let is_recipient = |rule: &&PodRule| claims.audience.includes(&rule.audience);
    let is_subject = |rule: &&PodRule| rule.is_about(&claims.subject);
    if let Some(rule) = of_issuer().filter(is_recipient).find(is_subject) {
        return Ok(rule);
    }
    let misdirected =
        of_issuer().any(|rule| is_subject(&rule)) || !of_issuer().any(|rule| is_recipient(&rule));
    Err(if misdirected { Refusal::WRONG_AUDIENCE } else { Refusal::NO_RULE })
}

fn read(role: &str, view: &View<'_>) -> Result<Answer, Refusal> {
    let document = (view.document)(role).ok_or(Refusal::NO_RULE)?;
    match document.valid_for_pods(view.now) {
        Some(text) => Ok(Answer::Reply(Reply::Credentials(text.clone()))),
        None if view.patient && document.may_come() => Ok(Answer::Wait(role.to_owned())),
        None => Err(match document.refusal() {
            container::Refusal::Locked => Refusal::LOCKED,
            container::Refusal::Denied => Refusal::DENIED,
            container::Refusal::Expired => Refusal::EXPIRED,
            _ => Refusal::NOT_YET,
        }),
    }
}
