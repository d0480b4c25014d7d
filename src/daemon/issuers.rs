//! The issuers whose tokens may count, and who keeps the public keys of each: a task of its
//! own, so that one that hangs keeps no other waiting.

mod key_refresh;
mod key_source;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use crate::clock::Clock;
use crate::config::{PodRule, Settings};
use crate::container::pod::IssuerKeys;
use crate::sts::request::{Route, Timeouts};
use key_refresh::{KeyRefresh, KeyRequests};

/// The keys of all issuers, by their names; sent after each attempt to fetch some.
type Keys = watch::Sender<BTreeMap<String, IssuerKeys>>;

/// Where the keys of an issuer come from.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Origin {
    issuer: String,
    jwks_file: Option<PathBuf>,
    route: Route,
    timeouts: Timeouts,
}

/// All issuers of the settings.
#[derive(Debug)]
pub(super) struct Issuers {
    clock: Arc<dyn Clock>,
    /// By their names.
    known: Arc<Mutex<BTreeMap<String, Issuer>>>,
    keys: Keys,
}

#[derive(Debug)]
struct Issuer {
    origin: Origin,
    requests: Arc<KeyRequests>,
    _task: AbortOnDropHandle<()>,
}

impl Issuers {
    /// None of them yet.
    pub(super) fn new(clock: &Arc<dyn Clock>) -> Self {
        Self { clock: Arc::clone(clock), known: Arc::default(), keys: Keys::default() }
    }

    /// The keys of all, sent again after each attempt to fetch some.
    pub(super) fn keys(&self) -> watch::Receiver<BTreeMap<String, IssuerKeys>> {
        self.keys.subscribe()
    }

    /// Has the keys of an issuer fetched, by its name; false if they were a moment ago.
    pub(super) fn fetch(&self) -> impl Fn(&str) -> bool + Send + Sync + use<> {
        let (known, clock) = (Arc::clone(&self.known), Arc::clone(&self.clock));
        move |name| {
            let known = locked(&known);
            known.get(name).is_some_and(|issuer| issuer.requests.ask(clock.now().boot))
        }
    }

    /// Keeps the keys of those in these settings from now on. What is fetched from the same place as before stays.
    pub(super) fn follow(&self, settings: &Settings) {
        let origins = origins(settings);
        let mut known = locked(&self.known);
        known.retain(|name, issuer| origins.get(name) == Some(&issuer.origin));
        self.keys.send_modify(|keys| keys.retain(|name, _| known.contains_key(name)));
        for (name, origin) in origins {
            known.entry(name).or_insert_with(|| self.begin(origin));
        }
    }

    /// Has the keys of all fetched again, and a failure logged again.
    pub(super) fn reread(&self) {
        for issuer in locked(&self.known).values() {
            issuer.requests.insist(self.clock.now().boot, Duration::ZERO);
            issuer.requests.log_again();
        }
    }

    fn begin(&self, origin: Origin) -> Issuer {
        let requests = Arc::new(KeyRequests::new(self.clock.now().boot));
        let refresh = KeyRefresh {
            issuer: origin.issuer.clone(),
            file: origin.jwks_file.clone(),
            watch: None,
            source: key_source::of(origin.clone()),
            requests: Arc::clone(&requests),
            keys: self.keys.clone(),
            clock: Arc::clone(&self.clock),
        };
        let task = AbortOnDropHandle::new(tokio::spawn(refresh.start()));
        Issuer { origin, requests, _task: task }
    }
}

/// The first entry that names an issuer says where its keys are.
fn origins(settings: &Settings) -> BTreeMap<String, Origin> {
    let mut origins = BTreeMap::new();
    for rule in &settings.pods {
        let role = settings.roles.iter().find(|role| role.name == rule.role);
        if let Some(source) = role.map(|role| &role.source) {
            let (route, timeouts) = (source.route.clone(), source.timeouts);
            let PodRule { issuer, jwks_file, .. } = rule.clone();
            let origin = || Origin { issuer, jwks_file, route, timeouts };
            origins.entry(rule.issuer.clone()).or_insert_with(origin);
        }
    }
    origins
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
