//! The credentials endpoint of ECS on a connection: its own rules, the same
//! store and the same patience as IMDS.
//!
//! Its replies have the few fields that Go's server gives them, and its
//! connections stay open as HTTP/1.1 has it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use hyper::Response;
use tokio::sync::watch;

use super::head::{Breach, Head};
use super::imds::tell_barred;
use super::mould::{Mould, Stamp};
use super::patience::{Patience, Wait};
use super::payload::{Payload, response};
use super::role::ServedRole;
use super::unknown_hosts::UnknownHosts;
use super::visitor::{Ends, Form};
use crate::access::permit::Permit;
use crate::clock::{Clock, Now};
use crate::config::AccessRule;
use crate::container::{self, Answer, Consumer, ConsumerName, Document, Refusal, Reply, View};
use crate::imds::{self, HostNames, ReplyField};
use crate::log_throttle::LogThrottle;
use crate::status::Clients;
use crate::store::register::Register;

/// What a reload may change between two requests.
#[derive(Debug)]
pub struct ContainerTerms {
    /// The names by which clients may call us.
    pub names: HostNames,
    /// Which caller may have which role.
    pub access: Vec<AccessRule>,
    /// The roles that are served, by their names in the settings.
    pub roles: BTreeMap<String, ServedRole>,
}

/// What all connections of the container listeners share.
#[derive(Debug)]
pub struct ContainerSite {
    /// Each request is judged by those of its moment.
    pub terms: watch::Sender<ContainerTerms>,
    /// The sessions of those consumers that have one of their own.
    pub sessions: watch::Sender<BTreeMap<ConsumerName, ServedRole>>,
    /// The foreign names that were told of.
    pub foreign: UnknownHosts,
    /// When it was last told that a caller may not have a role.
    pub barred: LogThrottle,
    /// Who may ask.
    pub register: Arc<Register>,
    /// Which programs ask.
    pub clients: Arc<Clients>,
    /// The present.
    pub clock: Arc<dyn Clock>,
}

impl ContainerSite {
    /// The response to one request, or what it waits for.
    pub(super) fn respond(
        &self,
        head: &Head<'_>,
        ends: &Ends,
        form: Form,
        patience: Patience,
    ) -> Result<Response<Payload>, Wait> {
        let (authorization, query) = (head.authorization, head.query);
        let asked = container::Request { head: head.request, authorization, query };
        let reply = match head.breach() {
            None => self.reply(&asked, ends, form.now, patience)?,
            Some(Breach::TooLarge) => Reply::Refusal(Refusal::HeadTooLarge),
            Some(Breach::Coded) => Reply::Refusal(Refusal::Malformed),
        };
        match reply {
            Reply::Refusal(Refusal::Stranger) => self.tell_foreign(&asked, ends.local),
            Reply::Refusal(Refusal::Barred) => tell_barred(&self.barred, &ends.caller, form.now),
            _ => {}
        }
        let closes = form.closes || refuses_caller(&reply);
        Ok(render(&reply, Form { closes, ..form }))
    }

    fn reply(
        &self,
        asked: &container::Request<'_>,
        ends: &Ends,
        now: Now,
        patience: Patience,
    ) -> Result<Reply, Wait> {
        let answer = self.answer(asked, ends, now, patience);
        if let Answer::Wait(consumer) = &answer
            && let Some(served) = self.served(&self.terms.borrow(), consumer)
        {
            return Err(served.wait(now.boot));
        }
        Ok(answer.into_reply())
    }

    /// The answer from memory.
    fn answer(
        &self,
        asked: &container::Request<'_>,
        ends: &Ends,
        now: Now,
        patience: Patience,
    ) -> Answer {
        let (terms, consumers) = (self.terms.borrow(), self.register.read());
        let document = |consumer: &Consumer| -> Option<Document> {
            let served = self.served(&terms, consumer)?;
            (served.interest)(now.boot);
            let state = served.store.read();
            Some(state.document.clone())
        };
        let view = View {
            names: &terms.names,
            local: ends.local,
            permit: Permit::of(&ends.caller, &terms.access),
            consumers: &consumers,
            document: &document,
            now,
            patient: patience.credentials,
        };
        container::answer(asked, &view)
    }

    /// Says once by which name somebody called us that is not ours.
    fn tell_foreign(&self, asked: &container::Request<'_>, local: IpAddr) {
        if let Some(name) = imds::foreign_name(&asked.head, &self.terms.borrow().names, local) {
            self.foreign.log_refusal(name, self.clock.now().boot);
        }
    }

    /// A session of its own, where it has one, and never its role's instead.
    fn served(&self, terms: &ContainerTerms, consumer: &Consumer) -> Option<ServedRole> {
        match consumer.narrowing {
            Some(_) => self.sessions.borrow().get(&consumer.name).cloned(),
            None => terms.roles.get(&*consumer.role).cloned(),
        }
    }
}

/// Whether a request was refused for who sent it: such a caller keeps no connection.
const fn refuses_caller(reply: &Reply) -> bool {
    matches!(
        reply,
        Reply::Refusal(
            Refusal::Stranger | Refusal::Unauthorized | Refusal::UnknownId | Refusal::Barred
        )
    )
}

thread_local! {
    static MOULDS: RefCell<[Mould; 2]> = RefCell::default();
}

fn render(reply: &Reply, form: Form) -> Response<Payload> {
    let now = form.now.wall;
    let stamp = Stamp { now, changed: now, closes: form.closes };
    let shape = || reply.fields().filter(|field| form.closes || *field != ReplyField::Connection);
    let fields = MOULDS.with_borrow_mut(|[credentials, refusals]| {
        let kind = if reply.is_credentials() { credentials } else { refusals };
        kind.cast(shape, stamp)
    });
    response(reply.status(), fields, reply.body())
}
