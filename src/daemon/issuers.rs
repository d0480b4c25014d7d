//! The public keys of those who issue tokens to pods: fetched at the start, and
//! again with a reload, or when a token names a key that is not among them.
//!
//! Whoever can send a request can name a key, so that fetching has its pauses.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio_util::task::AbortOnDropHandle;
use tracing::{debug, warn};

use crate::clock::{BootTime, Clock};
use crate::config::{PodRule, Settings};
use crate::container::pod::Keyring;
use crate::failure::{Failure, Kind};
use crate::sts::issuer_keys;
use crate::sts::request::{Route, Timeouts};

/// Between two attempts to fetch the keys of one issuer.
const PAUSE: Duration = Duration::from_secs(10);

/// Where the keys of an issuer come from.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Origin {
    rule: PodRule,
    route: Route,
    timeouts: Timeouts,
}

type Keys = watch::Sender<BTreeMap<String, Keyring>>;

/// Everybody whose tokens may count.
#[derive(Debug)]
pub(super) struct Issuers {
    clock: Arc<dyn Clock>,
    /// By their names.
    known: Arc<Mutex<BTreeMap<String, Issuer>>>,
    keys: Keys,
}

/// One of them, asked by a task of its own: one that hangs keeps nobody else waiting.
#[derive(Debug)]
struct Issuer {
    origin: Origin,
    asking: Arc<Asking>,
    _task: AbortOnDropHandle<()>,
}

/// How somebody is asked for keys.
#[derive(Debug)]
struct Asking {
    wanted: Notify,
    last: Mutex<Try>,
}

/// The last attempt.
#[derive(Debug, Clone, Copy)]
struct Try {
    begun: BootTime,
    over: bool,
}

impl Issuers {
    /// None of them yet.
    pub(super) fn new(clock: &Arc<dyn Clock>) -> Self {
        Self { clock: Arc::clone(clock), known: Arc::default(), keys: Keys::default() }
    }

    /// Their keys, told of after each attempt.
    pub(super) fn keys(&self) -> watch::Receiver<BTreeMap<String, Keyring>> {
        self.keys.subscribe()
    }

    /// Has somebody's keys fetched; false where that was done a moment ago.
    pub(super) fn fetch(&self) -> impl Fn(&str) -> bool + Send + Sync + use<> {
        let (known, clock) = (Arc::clone(&self.known), Arc::clone(&self.clock));
        move |name| {
            let known = locked(&known);
            known.get(name).is_some_and(|issuer| issuer.asking.ask(clock.now().boot))
        }
    }

    /// Those of these settings from now on; who is new, or elsewhere, is asked at once.
    pub(super) fn follow(&self, settings: &Settings) {
        let origins = origins(settings);
        let mut known = locked(&self.known);
        known.retain(|name, issuer| origins.get(name) == Some(&issuer.origin));
        // Those of another file or issuer are worth nothing any more.
        self.keys.send_modify(|keys| keys.retain(|name, _| known.contains_key(name)));
        for (name, origin) in origins {
            known.entry(name).or_insert_with_key(|name| self.begin(name, origin));
        }
    }

    /// Has the keys of all fetched again: files may be others now.
    pub(super) fn reread(&self) {
        for issuer in locked(&self.known).values() {
            issuer.asking.begin(self.clock.now().boot);
        }
    }

    fn begin(&self, name: &str, origin: Origin) -> Issuer {
        let asking = Arc::new(Asking::begun(self.clock.now().boot));
        let work = attend(name.to_owned(), origin.clone(), Arc::clone(&asking), self.keys.clone());
        Issuer { origin, asking, _task: AbortOnDropHandle::new(tokio::spawn(work)) }
    }
}

/// The first entry that names an issuer says where its keys are.
fn origins(settings: &Settings) -> BTreeMap<String, Origin> {
    let mut origins = BTreeMap::new();
    for rule in &settings.pods {
        let role = settings.roles.iter().find(|role| role.name == rule.role);
        if let Some(source) = role.map(|role| &role.source) {
            let (route, timeouts) = (source.route.clone(), source.timeouts);
            let origin = || Origin { rule: rule.clone(), route, timeouts };
            origins.entry(rule.issuer.clone()).or_insert_with(origin);
        }
    }
    origins
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Asking {
    /// The first attempt is wanted already.
    fn begun(now: BootTime) -> Self {
        let asking =
            Self { wanted: Notify::new(), last: Mutex::new(Try { begun: now, over: true }) };
        asking.begin(now);
        asking
    }

    /// True where an attempt is under way, or begins.
    fn ask(&self, now: BootTime) -> bool {
        let last = *locked(&self.last);
        if last.over && now.since(last.begun) < PAUSE {
            return false;
        }
        if last.over {
            self.begin(now);
        }
        true
    }

    fn begin(&self, now: BootTime) {
        *locked(&self.last) = Try { begun: now, over: false };
        self.wanted.notify_one();
    }
}

/// Fetches somebody's keys as often as they are wanted.
async fn attend(issuer: String, origin: Origin, asking: Arc<Asking>, keys: Keys) {
    loop {
        asking.wanted.notified().await;
        // Files may have changed during the last attempt: then this is another.
        locked(&asking.last).over = false;
        let fetched = fetched(origin.clone()).await;
        locked(&asking.last).over = true;
        match fetched {
            Ok(keyring) => {
                debug!(event = "issuer_keys", issuer, ?keyring, "fetched the keys of an issuer");
                keys.send_modify(|keys| {
                    keys.insert(issuer.clone(), keyring);
                });
            }
            Err(failure) => {
                let hint = failure.hint.as_deref();
                warn!(event = "issuer_keys", issuer, hint, error = %failure, "no keys of an issuer; its pods get no credentials for now");
                // Whoever waits need not wait longer.
                keys.send_modify(|_| {});
            }
        }
    }
}

async fn fetched(origin: Origin) -> Result<Keyring, Failure> {
    let text = match origin.rule.jwks_file {
        Some(path) => {
            let name = path.display().to_string();
            let read = tokio::task::spawn_blocking(move || std::fs::read_to_string(path)).await;
            read.unwrap_or_else(|_| Err(std::io::ErrorKind::Other.into())).map_err(|error| {
                Failure::new(Kind::NoBase, format!("jwks_file {name}: {error}"))
                    .hint("may this user read it?")
            })?
        }
        None => issuer_keys(&origin.rule.issuer, origin.route, origin.timeouts).await?,
    };
    Keyring::read(&text).map_err(|error| {
        Failure::new(Kind::NoBase, format!("what stands for the keys is of no use: {error}"))
            .hint("`kubectl get --raw /openid/v1/jwks` prints those of a cluster")
    })
}
