//! The public keys of those who issue tokens to pods: fetched at the start, and
//! again with a reload, or when a token names a key that is not among them.
//!
//! Whoever can send a request can name a key, so that fetching has its pauses.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
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

/// Everybody whose tokens may count.
#[derive(Debug)]
pub(super) struct Issuers {
    fetching: Arc<Fetching>,
    _task: AbortOnDropHandle<()>,
}

#[derive(Debug)]
struct Fetching {
    clock: Arc<dyn Clock>,
    /// By their names.
    origins: watch::Sender<BTreeMap<String, Origin>>,
    keys: watch::Sender<BTreeMap<String, Keyring>>,
    tried: Mutex<BTreeMap<String, Try>>,
    wanted: mpsc::UnboundedSender<String>,
}

/// The last attempt to fetch somebody's keys.
#[derive(Debug, Clone, Copy)]
struct Try {
    begun: BootTime,
    over: bool,
}

impl Issuers {
    /// None of them yet.
    pub(super) fn new(clock: &Arc<dyn Clock>) -> Self {
        let (wanted, asked) = mpsc::unbounded_channel();
        let fetching = Arc::new(Fetching {
            clock: Arc::clone(clock),
            origins: watch::Sender::default(),
            keys: watch::Sender::default(),
            tried: Mutex::default(),
            wanted,
        });
        let task = tokio::spawn(Arc::clone(&fetching).run(asked));
        Self { fetching, _task: AbortOnDropHandle::new(task) }
    }

    /// Their keys, told of after each attempt.
    pub(super) fn keys(&self) -> watch::Receiver<BTreeMap<String, Keyring>> {
        self.fetching.keys.subscribe()
    }

    /// Has somebody's keys fetched; false where that was done a moment ago.
    pub(super) fn fetch(&self) -> impl Fn(&str) -> bool + Send + Sync + use<> {
        let fetching = Arc::clone(&self.fetching);
        move |issuer| fetching.ask(issuer)
    }

    /// Those of these settings from now on; who is new, or elsewhere, is asked at once.
    pub(super) fn follow(&self, settings: &Settings) {
        let origins = origins(settings);
        let fetching = &self.fetching;
        let before = fetching.origins.send_replace(origins.clone());
        fetching.keys.send_modify(|keys| {
            // Those of another file or issuer are worth nothing any more.
            keys.retain(|issuer, _| {
                origins.contains_key(issuer) && before.get(issuer) == origins.get(issuer)
            });
        });
        for issuer in origins.keys().filter(|issuer| before.get(*issuer) != origins.get(*issuer)) {
            fetching.begin(issuer);
        }
    }

    /// Has the keys of all fetched again: files may be others now.
    pub(super) fn reread(&self) {
        for issuer in self.fetching.origins.borrow().keys() {
            self.fetching.begin(issuer);
        }
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

impl Fetching {
    /// True where an attempt is under way, or begins.
    fn ask(&self, issuer: &str) -> bool {
        let last = self.tried().get(issuer).copied();
        match last {
            Some(last) if !last.over => true,
            Some(last) if self.clock.now().boot.since(last.begun) < PAUSE => false,
            _ => self.origins.borrow().contains_key(issuer) && self.begin(issuer),
        }
    }

    fn begin(&self, issuer: &str) -> bool {
        let begun = Try { begun: self.clock.now().boot, over: false };
        self.tried().insert(issuer.to_owned(), begun);
        self.wanted.send(issuer.to_owned()).is_ok()
    }

    fn tried(&self) -> MutexGuard<'_, BTreeMap<String, Try>> {
        self.tried.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(self: Arc<Self>, mut asked: mpsc::UnboundedReceiver<String>) {
        while let Some(issuer) = asked.recv().await {
            let origin = self.origins.borrow().get(&issuer).cloned();
            let Some(origin) = origin else { continue };
            let fetched = fetched(origin.clone()).await;
            if self.origins.borrow().get(&issuer) != Some(&origin) {
                // Asked for anew meanwhile, elsewhere.
                continue;
            }
            if let Some(last) = self.tried().get_mut(&issuer) {
                last.over = true;
            }
            match fetched {
                Ok(keyring) => {
                    debug!(
                        event = "issuer_keys",
                        issuer,
                        ?keyring,
                        "fetched the keys of an issuer"
                    );
                    self.keys.send_modify(|keys| {
                        keys.insert(issuer, keyring);
                    });
                }
                Err(failure) => {
                    let hint = failure.hint.as_deref();
                    warn!(event = "issuer_keys", issuer, hint, error = %failure, "no keys of an issuer; its pods get no credentials for now");
                    // Whoever waits need not wait longer.
                    self.keys.send_modify(|_| {});
                }
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
