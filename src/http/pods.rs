//! The EKS Pod Identity agent on a connection: its own rules, the same store
//! and the same patience as IMDS.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::Response;
use tokio::sync::watch;
use tracing::warn;

use super::head::{Breach, Head};
use super::mould::{Mould, Stamp};
use super::patience::{Patience, Wait};
use super::payload::{Payload, response};
use super::role::ServedRole;
use super::visitor::{Ends, Form};
use crate::clock::{Clock, Now};
use crate::config::PodRule;
use crate::container::pod::{self, Answer, IssuerKeys, Refusal, Reply, TokenHistory, View};
use crate::container::{Document, Request};
use crate::imds::{HostNames, ReplyField};
use crate::log_throttle::LogThrottle;
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
    pub keys: watch::Receiver<BTreeMap<String, IssuerKeys>>,
    /// The way to more of them.
    pub fetch: Fetch,
    /// What is remembered of the tokens that pods showed.
    pub history: TokenHistory,
    /// When refusals were logged last.
    pub logged: PodLog,
    /// Which programs ask.
    pub clients: Arc<Clients>,
    /// The present.
    pub clock: Arc<dyn Clock>,
}

/// A line a minute each: who is refused can ask at any rate.
#[derive(Debug, Default)]
pub struct PodLog {
    refusals: LogThrottle,
    limits: LogThrottle,
}

impl PodLog {
    fn tell(&self, refusal: &Refusal, source: IpAddr, now: Now) {
        if refusal.is_limit() {
            if let Some(suppressed) = self.limits.admit(now.boot) {
                warn!(event = "pod_limit", %source, suppressed, "a source shows too many invalid tokens; new tokens from it are refused for now");
            }
        } else if refusal.is_about_token()
            && let Some(suppressed) = self.refusals.admit(now.boot)
        {
            warn!(event = "pod_refused", %source, suppressed, reason = refusal.text(), "refused the token of a pod");
        }
    }
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
        let reply = answer.into_reply();
        if let Reply::Refusal(refusal) = &reply {
            self.logged.tell(refusal, ends.caller.from, now);
        }
        Ok(reply)
    }

    /// Waits for what comes of fetching the keys of this issuer, until patience ends. Attempts
    /// for other issuers are not its affair.
    fn next_keys(&self, issuer: &str) -> impl Future<Output = ()> + Send + use<> {
        let mut keys = self.keys.clone();
        let ended = |keys: &BTreeMap<String, IssuerKeys>, issuer: &str| {
            keys.get(issuer).map(|keys| keys.attempts)
        };
        let before = ended(&keys.borrow(), issuer);
        let fetches = (self.fetch)(issuer);
        let issuer = issuer.to_owned();
        async move {
            if fetches {
                let next = keys.wait_for(|keys| ended(keys, &issuer) != before);
                // Good or bad, the next answer tells it.
                let _ = tokio::time::timeout(PATIENCE, next).await;
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
            source: ends.caller.from,
            history: &self.history,
            rules: &terms.rules,
            keys: &|issuer| keys.get(issuer)?.usable(now.boot),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    fn site(keys: &watch::Sender<BTreeMap<String, IssuerKeys>>) -> PodSite {
        let terms = PodTerms {
            names: HostNames::of_pod_agent([], []),
            rules: Vec::new(),
            roles: BTreeMap::new(),
        };
        PodSite {
            terms: watch::Sender::new(terms),
            keys: keys.subscribe(),
            fetch: Box::new(|_| true),
            history: TokenHistory::default(),
            logged: PodLog::default(),
            clients: Arc::default(),
            clock: Arc::new(SystemClock),
        }
    }

    #[tokio::test]
    async fn who_waits_for_an_issuer_is_not_answered_because_of_another() {
        let keys = watch::Sender::default();
        let attempt = |issuer: &str| {
            keys.send_modify(|keys: &mut BTreeMap<String, IssuerKeys>| {
                keys.entry(issuer.to_owned()).or_default().attempts += 1;
            });
        };
        attempt("https://a");
        let site = site(&keys);
        for issuer in ["https://a", "https://new"] {
            let mut waiting = std::pin::pin!(site.next_keys(issuer));
            for _ in 0..100 {
                attempt("https://b");
                tokio::select! {
                    biased;
                    () = &mut waiting => panic!("{issuer} has no news"),
                    () = tokio::task::yield_now() => {}
                }
            }
            attempt(issuer);
            waiting.await;
        }
    }
}
