//! The metadata service on a connection: the rules, asked with what is held
//! at that moment.
//!
//! A request that finds nothing valid wakes rotation and waits for its outcome.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hyper::Response;
use tokio::sync::watch;
use tracing::{debug, warn};

use super::head::Head;
use super::hops::Hops;
use super::mould::Stamp;
use super::patience::{Patience, Wait};
use super::payload::Payload;
use super::reply;
use super::role::ServedRole;
use super::unknown_hosts::UnknownHosts;
use super::visitor::{Ends, Form};
use crate::access::permit::{Caller, Permit};
use crate::clock::{Clock, Now};
use crate::config::AccessRule;
use crate::imds::{self, Answer, HostNames, Method, Options, Reply, Status, TokenKey, View};
use crate::log_throttle::LogThrottle;
use crate::status::Clients;

/// What a reload may change between two requests.
#[derive(Debug)]
pub struct Terms {
    /// EC2's metadata options.
    pub options: Options,
    /// The names by which clients may call us.
    pub names: HostNames,
    /// What is served.
    pub role: ServedRole,
    /// Which caller may have which role.
    pub access: Vec<AccessRule>,
    /// What some of these give instead, by name.
    pub given: BTreeMap<String, ServedRole>,
}

impl Terms {
    /// What this caller is served, if anything.
    fn role_of(&self, caller: &Caller) -> Option<&ServedRole> {
        let permit = Permit::of(caller, &self.access);
        let role = permit.given().map_or(Some(&self.role), |name| self.given.get(name))?;
        permit.allows(&role.name).then_some(role)
    }
}

/// What all connections of IMDS listeners that serve the same share.
pub struct Site {
    /// Each request is judged by those of its moment.
    pub terms: watch::Sender<Terms>,
    /// The foreign names that were told of.
    pub foreign: UnknownHosts,
    /// When it was last told that a caller may have nothing.
    pub barred: LogThrottle,
    /// Signs and checks metadata tokens.
    pub key: Arc<TokenKey>,
    /// The present.
    pub clock: Arc<dyn Clock>,
    /// Bounds the lines about hop limits that cannot be set.
    pub hop_limit_log: LogThrottle,
    /// Which programs ask.
    pub clients: Arc<Clients>,
    /// Makes each metadata token another; starts anywhere.
    pub nonce: AtomicU64,
}

impl std::fmt::Debug for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Site").field("terms", &*self.terms.borrow()).finish_non_exhaustive()
    }
}

impl Site {
    /// The response to one request, or what it waits for.
    pub(super) fn respond(
        &self,
        head: &Head<'_>,
        ends: &Ends,
        form: Form,
        patience: Patience,
    ) -> Result<Response<Payload>, Wait> {
        let request = &head.request;
        let (mut answer, mut stamp) = self.answer(request, ends, form.now, patience);
        if let Some(breach) = head.breach() {
            answer = Answer::Reply(Reply::refusal(breach.status()));
        }
        if matches!(answer, Answer::Wait)
            && let Some(role) = self.terms.borrow().role_of(&ends.caller).cloned()
        {
            return Err(role.wait(form.now.boot));
        }
        stamp.closes = form.closes;
        let mut reply = answer.into_reply();
        if reply.status == Status::Forbidden {
            stamp.closes |= self.refuses_caller(request, ends);
        }
        if let Some(hops) = ends.hops.as_ref().filter(|_| reply.is_grant()) {
            stamp.closes = true;
            reply = self.kept_near(reply, hops);
        }
        Ok(reply::render(reply, stamp))
    }

    /// The answer from memory, and the dates that go with it.
    fn answer(
        &self,
        request: &imds::Request<'_>,
        ends: &Ends,
        now: Now,
        patience: Patience,
    ) -> (Answer, Stamp) {
        let terms = self.terms.borrow();
        let permitted = terms.role_of(&ends.caller);
        let role = permitted.unwrap_or(&terms.role);
        let state = role.store.read();
        let open = permitted.is_some() && !state.locked;
        let options = if open { terms.options } else { terms.options.off() };
        let view = View {
            options: &options,
            names: &terms.names,
            local: ends.local,
            key: &self.key,
            shown: &ends.shown,
            tree: &state.tree,
            now,
            nonce: self.nonce(request.method),
            patient: patience.credentials,
        };
        let stamp = Stamp { now: now.wall, changed: state.tree.modified(), closes: true };
        let answer = imds::answer(request, &view);
        if answer.serves() {
            (role.interest)(now.boot);
        }
        (answer, stamp)
    }

    /// Another for each metadata token; what asks for none gets none.
    fn nonce(&self, method: Method) -> u64 {
        if method == Method::Put { self.nonce.fetch_add(1, Ordering::Relaxed) } else { 0 }
    }

    /// Whether a request was forbidden for who sent it, and not for what it asks: such a caller
    /// keeps no connection. Logs what an administrator can change.
    fn refuses_caller(&self, request: &imds::Request<'_>, ends: &Ends) -> bool {
        let terms = self.terms.borrow();
        if let Some(name) = imds::foreign_name(request, &terms.names, ends.local) {
            self.foreign.log_refusal(name, self.clock.now().boot);
        } else if terms.role_of(&ends.caller).is_none() {
            tell_barred(&self.barred, &ends.caller, self.clock.now());
        } else {
            return request.browser || request.forwarded;
        }
        true
    }

    /// A grant whose packets travel no farther than allowed, or no grant (T12).
    fn kept_near(&self, grant: Reply, hops: &Hops) -> Reply {
        match hops.limit(self.terms.borrow().options.hop_limit) {
            Ok(()) => grant,
            Err(error) => {
                if let Some(suppressed) = self.hop_limit_log.admit(self.clock.now().boot) {
                    warn!(%error, suppressed, "cannot set the hop limit; no metadata token was granted");
                }
                Reply::refusal(Status::InternalServerError)
            }
        }
    }
}

/// Says, once in a while, that no rule gives this caller what is served.
pub(super) fn tell_barred(barred: &LogThrottle, caller: &Caller, now: Now) {
    let uid = caller.identity.uid();
    let (from, listener) = (caller.from, caller.listen);
    if let Some(suppressed) = barred.admit(now.boot) {
        let hint = "the first entry of [[access]] that is about a caller decides";
        warn!(event = "barred", %from, %listener, uid, suppressed, hint, "refused a caller who may not have this role");
    } else {
        debug!(%from, %listener, uid, "refused a caller who may not have this role");
    }
}
