//! The EKS Pod Identity agent on a connection: its own rules, the same store
//! and the same patience as IMDS.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hyper::Response;
use tokio::sync::watch;

use super::head::{Breach, Head};
use super::mould::{Mould, Stamp};
use super::patience::{Patience, Wait};
use super::payload::{Payload, response};
use super::role::ServedRole;
use super::visitor::{Ends, Form};
use crate::clock::{Clock, Now};
use crate::config::PodRule;
use crate::container::pod::{self, Answer, Keyring, Refusal, Reply, View};
use crate::container::{Document, Request};
use crate::imds::{HostNames, ReplyField};
use crate::status::Clients;

/// How long a request waits for keys of its issuer; SDKs wait two seconds for an agent (K8, S14).
const PATIENCE: Duration = Duration::from_millis(1500);

/// Has the keys of an issuer fetched, unless they were a moment ago; true where they will be.
pub type Fetch = Box<dyn Fn(&str) -> bool + Send + Sync>;

/// What a reload may change between two requests.
#[derive(Debug)]
pub struct PodTerms {
    /// The names by which pods may call us.
    pub names: HostNames,
    /// Which pod has which role.
    pub rules: Vec<PodRule>,
    /// The roles that are served, by their names in the settings.
    pub roles: BTreeMap<String, ServedRole>,
}

/// What all connections of the pod-identity listeners share.
pub struct PodSite {
    /// Each request is judged by those of its moment.
    pub terms: watch::Sender<PodTerms>,
    /// The keys of each issuer; sent again after each attempt to fetch some.
    pub keys: watch::Receiver<BTreeMap<String, Keyring>>,
    /// The way to more of them.
    pub fetch: Fetch,
    /// Which programs ask.
    pub clients: Arc<Clients>,
    /// The present.
    pub clock: Arc<dyn Clock>,
}

impl fmt::Debug for PodSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PodSite").field("terms", &*self.terms.borrow()).finish_non_exhaustive()
    }
}

impl PodSite {
    /// The response to one request, or what it waits for.
    pub(super) fn respond(
        &self,
        head: &Head<'_>,
        ends: &Ends,
        form: Form,
        patience: Patience,
    ) -> Result<Response<Payload>, Wait> {
        let (authorization, query) = (head.authorization, head.query);
        let asked = Request { head: head.request, authorization, query };
        let reply = match head.breach() {
            None => self.reply(&asked, ends, form.now, patience)?,
            Some(Breach::TooLarge) => Reply::Refusal(Refusal::HEAD_TOO_LARGE),
            Some(Breach::Coded) => Reply::Refusal(Refusal::MALFORMED),
        };
        // A caller whose token does not count keeps no connection.
        let closes = form.closes || (400..500).contains(&reply.status());
        Ok(render(&reply, Form { closes, ..form }))
    }

    fn reply(
        &self,
        asked: &Request<'_>,
        ends: &Ends,
        now: Now,
        patience: Patience,
    ) -> Result<Reply, Wait> {
        let answer = self.answer(asked, ends, now, patience);
        match &answer {
            Answer::Fetch(issuer) if patience.keys => {
                return Err(Wait {
                    over: Box::pin(self.next_keys(issuer)),
                    left: Patience { keys: false, ..patience },
                });
            }
            Answer::Wait(role) if patience.credentials => {
                if let Some(served) = self.terms.borrow().roles.get(role).cloned() {
                    return Err(served.wait(now.boot));
                }
            }
            _ => {}
        }
        Ok(answer.into_reply())
    }

    /// Waits for what comes of fetching them, until patience ends.
    fn next_keys(&self, issuer: &str) -> impl Future<Output = ()> + Send + use<> {
        let mut keys = self.keys.clone();
        keys.mark_unchanged();
        let fetches = (self.fetch)(issuer);
        async move {
            if fetches {
                // Good or bad, the next answer tells it.
                let _ = tokio::time::timeout(PATIENCE, keys.changed()).await;
            }
        }
    }

    /// The answer from memory.
    fn answer(&self, asked: &Request<'_>, ends: &Ends, now: Now, patience: Patience) -> Answer {
        let (terms, keys) = (self.terms.borrow(), self.keys.borrow());
        let document = |role: &str| -> Option<Document> {
            let served = terms.roles.get(role)?;
            (served.interest)(now.boot);
            let state = served.store.read();
            Some(state.document.clone())
        };
        let view = View {
            names: &terms.names,
            local: ends.local,
            rules: &terms.rules,
            keys: &|issuer| keys.get(issuer),
            document: &document,
            now,
            fetches: patience.keys,
            patient: patience.credentials,
        };
        pod::answer(asked, &view)
    }
}

thread_local! {
    static MOULDS: RefCell<[Mould; 2]> = RefCell::default();
}

fn render(reply: &Reply, form: Form) -> Response<Payload> {
    let now = form.now.wall;
    let stamp = Stamp { now, changed: now, closes: form.closes };
    let shape = || reply.fields().filter(|field| form.closes || *field != ReplyField::Connection);
    let fields = MOULDS.with_borrow_mut(|[credentials, refusals]| {
        let kind = if reply.status() == 200 { credentials } else { refusals };
        kind.cast(shape, stamp)
    });
    response(reply.status(), fields, reply.body())
}
