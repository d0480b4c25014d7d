//! The order of the checks, and the answer that comes of them.
//!
//! A stranger learns nothing, a consumer only of its own role. Where a role's
//! document is kept is not known here.

use std::fmt;
use std::net::IpAddr;

use super::consumer::{Consumer, Place};
use super::consumers::Consumers;
use super::document::Document;
use super::reply::{Refusal, Reply};
use super::request::Request;
use crate::access::permit::Permit;
use crate::clock::Now;
use crate::imds::{Field, HostNames, Method, Path, Status, guard};

/// What an answer depends on besides the request.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// The names by which we may be called.
    pub names: &'a HostNames,
    /// The local address of the accepted socket: always an own name.
    pub local: IpAddr,
    /// What the rules on callers allow this one.
    pub permit: Permit<'a>,
    /// Who may ask.
    pub consumers: &'a Consumers,
    /// The document of whatever this consumer may have.
    pub document: &'a dyn Fn(&Consumer) -> Option<Document>,
    /// When the request is judged.
    pub now: Now,
    /// There is time left to wait for credentials.
    pub patient: bool,
}

impl fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").field("local", &self.local).finish_non_exhaustive()
    }
}

/// What to do about a request.
#[derive(Debug)]
pub enum Answer {
    /// Send this.
    Reply(Reply),
    /// Nothing valid is held for this consumer: wake the rotation, wait a moment,
    /// ask again without patience.
    Wait(Box<Consumer>),
}

impl Answer {
    /// What is sent in any case.
    #[must_use]
    pub fn into_reply(self) -> Reply {
        match self {
            Self::Reply(reply) => reply,
            Self::Wait(_) => Reply::Refusal(Refusal::Uninitialized),
        }
    }
}

/// Judges one request.
#[must_use]
pub fn answer(request: &Request<'_>, view: &View<'_>) -> Answer {
    decide(request, view).unwrap_or_else(|refusal| Answer::Reply(Reply::Refusal(refusal)))
}

fn decide(request: &Request<'_>, view: &View<'_>) -> Result<Answer, Refusal> {
    admit(request, view)?;
    if !matches!(request.head.method, Method::Get | Method::Head) {
        return Err(Refusal::NotAllowed);
    }
    let path = Path::read(request.head.path);
    let asked =
        path.as_ref().map_or(Asked::Nothing, |path| Asked::read(path.names(), request.query));
    let consumer = match asked {
        Asked::Secret(secret) => by_path(secret, view),
        _ => by_header(request.authorization, view),
    }?;
    match asked {
        Asked::Nothing => Err(Refusal::NotFound),
        Asked::Role("") => Err(Refusal::NoId),
        Asked::Role(role) if *role != *consumer.role => Err(Refusal::UnknownId),
        _ if !view.permit.allows(&consumer.role) => Err(Refusal::Barred),
        Asked::Role(_) | Asked::Secret(_) => read(consumer, view),
    }
}

/// Turns away what no consumer would send (F17, F18): pages in browsers, and
/// what a proxy passed on, for the one who asked is unknown then.
fn admit(request: &Request<'_>, view: &View<'_>) -> Result<(), Refusal> {
    let head = &request.head;
    guard::host(head, view.names, view.local)
        .and_then(|()| guard::browser(head))
        .and_then(|()| guard::expectation(head))
        .map_err(|status| match status {
            Status::Forbidden => Refusal::Stranger,
            Status::ExpectationFailed => Refusal::Expectation,
            _ => Refusal::Malformed,
        })?;
    if head.forwarded { Err(Refusal::Stranger) } else { Ok(()) }
}

/// What a path asks for; a final slash makes no difference.
#[derive(Clone, Copy)]
enum Asked<'a> {
    /// `/v1/credentials/ROLE`.
    Role(&'a str),
    /// `/v2/credentials/SECRET` or `/v1/credentials?id=SECRET`, as the agent has them (S9).
    Secret(&'a str),
    Nothing,
}

impl<'a> Asked<'a> {
    fn read(names: &'a str, query: Option<&'a str>) -> Self {
        let below = |folder| {
            let rest = names.strip_prefix(folder)?;
            if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
        };
        let id = query.and_then(|query| query.split('&').find_map(|it| it.strip_prefix("id=")));
        match (below("v1/credentials"), below("v2/credentials")) {
            (Some(""), _) if let Some(secret) = id => Self::Secret(secret),
            (Some(role), _) => Self::Role(role),
            (_, Some(secret)) => Self::Secret(secret),
            _ => Self::Nothing,
        }
    }
}

fn by_path<'a>(secret: &str, view: &View<'a>) -> Result<&'a Consumer, Refusal> {
    if secret.is_empty() {
        return Err(Refusal::NoId);
    }
    let consumer = view.consumers.authorise(secret.as_bytes(), Place::Path, view.now);
    consumer.ok_or(Refusal::UnknownId)
}

/// The raw value, with no scheme before it (S3, S5); two values are none.
fn by_header<'a>(authorization: Field<'_>, view: &View<'a>) -> Result<&'a Consumer, Refusal> {
    let Field::One(secret) = authorization else {
        return Err(Refusal::Unauthorized);
    };
    let consumer = view.consumers.authorise(secret, Place::Authorization, view.now);
    consumer.ok_or(Refusal::Unauthorized)
}

fn read(consumer: &Consumer, view: &View<'_>) -> Result<Answer, Refusal> {
    let document = (view.document)(consumer).ok_or(Refusal::UnknownId)?;
    match document.valid(view.now) {
        Some(text) => Ok(Answer::Reply(Reply::Credentials(text.clone()))),
        None if view.patient && document.may_come() => Ok(Answer::Wait(Box::new(consumer.clone()))),
        None => Err(document.refusal()),
    }
}
