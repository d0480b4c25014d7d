//! The order of the checks, and the answer that comes of them (K2, K4).

use std::fmt;
use std::net::IpAddr;

use super::keyring::{Keyring, Verdict};
use super::refusal::{Refusal, Reply};
use super::token::Token;
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
    /// The keys of an issuer, as far as they are known.
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
    let token = Token::read(text).map_err(Refusal::unreadable)?;
    token.claims.check_times(view.now.wall).map_err(Refusal::ill_timed)?;
    if let Some(missing) = verify(&token, view)? {
        return Ok(missing);
    }
    let claims = &token.claims;
    let is_about = |rule: &&PodRule| {
        rule.issuer == claims.issuer
            && claims.audience.holds(&rule.audience)
            && rule.is_about(&claims.subject)
    };
    let rule = view.rules.iter().find(is_about).ok_or(Refusal::NOBODY)?;
    read(&rule.role, view)
}

/// Believes the token, or asks for what it takes to tell.
fn verify(token: &Token<'_>, view: &View<'_>) -> Result<Option<Answer>, Refusal> {
    let issuer = &token.claims.issuer;
    if !view.rules.iter().any(|rule| rule.issuer == *issuer) {
        return Err(Refusal::UNKNOWN_ISSUER);
    }
    match (view.keys)(issuer).map(|keys| keys.judge(token)) {
        Some(Verdict::Genuine) => Ok(None),
        Some(Verdict::UnknownKey) | None if view.fetches => Ok(Some(Answer::Fetch(issuer.clone()))),
        Some(Verdict::Forged | Verdict::UnknownKey) => Err(Refusal::FORGED),
        None => Err(Refusal::NO_KEYS),
    }
}

fn read(role: &str, view: &View<'_>) -> Result<Answer, Refusal> {
    let document = (view.document)(role).ok_or(Refusal::NOBODY)?;
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
