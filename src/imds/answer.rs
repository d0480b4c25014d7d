//! The order of the checks, and the answer that comes of them.
//!
//! This order is protocol: which of two refusals a client sees decides whether
//! it falls back to IMDSv1, asks for a new token, or gives up (T20, T22).

use std::net::IpAddr;

use super::bearer::Bearer;
use super::guard;
use super::host::HostNames;
use super::options::Options;
use super::path::Path;
use super::reply::{Allow, Reply};
use super::request::{Field, Method, Request};
use super::status::Status;
use super::token::{Shown, TokenKey, Ttl};
use super::tree::{Resource, Tree};
use crate::clock::Now;

/// What an answer depends on besides the request.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// What the owner of the endpoint decided.
    pub options: &'a Options,
    /// The names by which we may be called.
    pub names: &'a HostNames,
    /// The local address of the accepted socket: always an own name.
    pub local: IpAddr,
    /// What signs metadata tokens.
    pub key: &'a TokenKey,
    /// What this connection showed before.
    pub shown: &'a Shown,
    /// What there is to read.
    pub tree: &'a Tree,
    /// When the request is judged.
    pub now: Now,
    /// Never the same for two tokens.
    pub nonce: u64,
    /// There is time left to wait for credentials.
    pub patient: bool,
}

/// What to do about a request.
#[derive(Debug)]
pub enum Answer {
    /// Send this.
    Reply(Reply),
    /// Nothing valid is held: wake rotation, wait a moment, ask again without patience.
    Wait,
}

impl Answer {
    /// True where somebody got what he asked for.
    #[must_use]
    pub fn serves(&self) -> bool {
        matches!(self, Self::Reply(reply) if reply.status == Status::Ok)
    }

    /// What is sent in any case: who waited for nothing gets a 500 (C11).
    #[must_use]
    pub fn into_reply(self) -> Reply {
        match self {
            Self::Reply(reply) => reply,
            Self::Wait => Reply::refusal(Status::InternalServerError),
        }
    }
}

/// Judges one request.
#[must_use]
pub fn answer(request: &Request<'_>, view: &View<'_>) -> Answer {
    // A stranger learns nothing, not even whether its token is good.
    let own = guard::host(request, view.names, view.local).and_then(|()| guard::browser(request));
    if let Err(status) = own {
        return Answer::Reply(Reply::refusal(status));
    }
    let bearer = Bearer::read(&request.token, view.key, view.shown, view.now.boot);
    match decide(request, view, bearer) {
        Ok(Answer::Wait) => Answer::Wait,
        Ok(Answer::Reply(reply)) => Answer::Reply(reply.stating(bearer.remaining())),
        Err(status) => Answer::Reply(Reply::refusal(status).stating(bearer.remaining())),
    }
}

fn decide(request: &Request<'_>, view: &View<'_>, bearer: Bearer) -> Result<Answer, Status> {
    guard::endpoint(view.options.http_endpoint)?;
    guard::expectation(request)?;
    bearer.single()?;
    guard::forwarded(request, view.options.http_tokens, bearer)?;

    let place = Place::of(request.path, view.tree);
    let allow = if matches!(place, Place::MetadataToken) { Allow::Put } else { Allow::Read };
    match (request.method, allow) {
        (Method::Put, Allow::Put) => grant(request, view).map(Answer::Reply),
        (Method::Put, Allow::Read) => Err(Status::Forbidden), // P6, P7
        (Method::Options, _) => Ok(Answer::Reply(Reply::options(allow))),
        (Method::Get | Method::Head, Allow::Read) => {
            bearer.admit(view.options.http_tokens)?;
            match place {
                Place::Resource(resource) => read(resource, view),
                _ => Err(Status::NotFound),
            }
        }
        _ => Ok(Answer::Reply(Reply::not_allowed(allow))),
    }
}

/// Where a path leads.
enum Place<'a> {
    MetadataToken,
    Resource(&'a Resource),
    Nowhere,
}

impl<'a> Place<'a> {
    fn of(target: &str, tree: &'a Tree) -> Self {
        let known = |path: Path<'_>| {
            let token = path.is_metadata_token().then_some(Self::MetadataToken);
            token.or_else(|| tree.find(path.names()).map(Self::Resource))
        };
        // Mostly a target is spelled as we would spell it, and need not be read.
        Path::as_spelled(target)
            .and_then(known)
            .or_else(|| Path::read(target).and_then(known))
            .unwrap_or(Self::Nowhere)
    }
}

/// A metadata token for exactly the time asked for (T1, T2, T9).
fn grant(request: &Request<'_>, view: &View<'_>) -> Result<Reply, Status> {
    let Field::One(text) = request.ttl else {
        return Err(Status::BadRequest);
    };
    let ttl = Ttl::parse(text).ok_or(Status::BadRequest)?;
    let token = view.key.issue(ttl, view.now.boot, view.nonce);
    Ok(Reply::grant(token, ttl))
}

/// A value as it stands; credentials only while both clocks call them valid (C11).
fn read(resource: &Resource, view: &View<'_>) -> Result<Answer, Status> {
    let value = match resource {
        Resource::Value(value) => value,
        Resource::SecurityCredentials(held) => match held.valid(view.now) {
            Some(document) => document,
            None if view.patient => return Ok(Answer::Wait),
            None => held.refusal().ok_or(Status::InternalServerError)?,
        },
    };
    Ok(Answer::Reply(Reply::value(value.clone())))
}
