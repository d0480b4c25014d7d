//! Keeps the keys of one issuer: fetches them when they are due, when their file changes and
//! when a token asks for others, and says in the log when that fails.
//!
//! When that is, `container::pod::KeySchedule` decides. Between two attempts nothing ticks: the
//! alarm follows the wall clock through suspend, and what is due is judged by the boot clock.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tracing::{debug, info, warn};

use super::key_source::{Fetched, KeySource};
use super::{Keys, locked};
use crate::clock::{self, BootTime, Clock, Now};
use crate::container::pod::{KeySchedule, Keyring, Step};
use crate::failure::Failure;
use crate::rotation::port::Alarm;
use crate::rotation::task::dice;
use crate::sys::wake::WallAlarm;
use crate::sys::watch::file::FileWatch;

/// The least time from one read of a file that changes to the next.
const FILE_PAUSE: Duration = Duration::from_secs(1);
/// How long to wait for a descriptor, if there is none to spare.
const DESCRIPTOR_PAUSE: Duration = Duration::from_secs(10);

/// What others want of an issuer's keys.
#[derive(Debug)]
pub(super) struct KeyRequests {
    changed: Notify,
    schedule: Mutex<KeySchedule>,
    /// The present failure was logged.
    logged: AtomicBool,
}

impl KeyRequests {
    pub(super) fn new(now: BootTime) -> Self {
        let schedule = Mutex::new(KeySchedule::new(now));
        Self { changed: Notify::new(), schedule, logged: AtomicBool::new(false) }
    }

    fn schedule(&self) -> MutexGuard<'_, KeySchedule> {
        locked(&self.schedule)
    }

    /// A token needs other keys; true if an attempt is under way, or begins.
    pub(super) fn ask(&self, now: BootTime) -> bool {
        let is_coming = self.schedule().ask(now);
        self.changed.notify_one();
        is_coming
    }

    /// Has them fetched, `after` the last attempt at the earliest.
    pub(super) fn insist(&self, now: BootTime, after: Duration) {
        self.schedule().insist(now, after);
        self.changed.notify_one();
    }

    /// A failure that goes on is logged once more.
    pub(super) fn log_again(&self) {
        self.logged.store(false, Ordering::Relaxed);
    }
}

/// The task of one issuer.
pub(super) struct KeyRefresh {
    pub(super) issuer: String,
    pub(super) source: KeySource,
    /// The file that the keys are read from, if any.
    pub(super) file: Option<PathBuf>,
    pub(super) watch: Option<FileWatch>,
    pub(super) requests: Arc<KeyRequests>,
    pub(super) keys: Keys,
    pub(super) clock: Arc<dyn Clock>,
}

impl KeyRefresh {
    /// Runs until it is dropped.
    pub(super) async fn start(self) {
        let alarm = loop {
            match WallAlarm::new() {
                Ok(alarm) => break alarm,
                Err(error) => {
                    warn!(event = "issuer_keys", issuer = self.issuer, %error, "no timer for the keys of an issuer; its pods get no credentials for now");
                    tokio::time::sleep(DESCRIPTOR_PAUSE).await;
                }
            }
        };
        self.run(alarm).await;
    }

    pub(super) async fn run(mut self, mut alarm: impl Alarm) {
        let jitter = dice();
        loop {
            let now = self.clock.now();
            let step = self.requests.schedule().next(now.boot);
            match step {
                Step::Fetch => self.fetch(now.boot, jitter()).await,
                Step::Expire => self.expire(),
                Step::Wait(until) => self.wait(&mut alarm, now, until).await,
            }
        }
    }

    async fn wait(&mut self, alarm: &mut impl Alarm, now: Now, until: BootTime) {
        let until = clock::later(now.wall, until.since(now.boot));
        tokio::select! {
            () = self.requests.changed.notified() => {}
            _ = alarm.ring_at(Some(until)) => {}
            () = changed(&mut self.watch) => {
                self.requests.insist(self.clock.now().boot, FILE_PAUSE);
            }
        }
    }

    async fn fetch(&mut self, now: BootTime, jitter: f64) {
        // Before the file is read, so that no change is missed.
        if let (Some(file), None) = (&self.file, &self.watch) {
            self.watch = watch(file);
        }
        self.requests.schedule().begin(now);
        let fetched = (self.source)().await;
        match &fetched {
            Ok(_) => self.requests.schedule().succeed(jitter),
            Err(_) => self.requests.schedule().fail(jitter),
        }
        self.publish(fetched, now);
    }

    /// Good or bad, whoever waits for the attempt goes on.
    fn publish(&self, fetched: Fetched, now: BootTime) {
        self.keys.send_modify(|keys| {
            let held = keys.entry(self.issuer.clone()).or_default();
            held.attempts += 1;
            match fetched {
                Ok(keyring) => {
                    self.log_success(held.fetched.as_ref().map(|(keyring, _)| keyring), &keyring);
                    held.fetched = Some((keyring, now));
                }
                Err(failure) => {
                    self.log_failure(&failure, held.usable(self.clock.now().boot).is_some());
                }
            }
        });
    }

    fn expire(&self) {
        self.requests.schedule().expire();
        warn!(
            event = "issuer_keys",
            issuer = self.issuer,
            "the keys of an issuer are an hour old and do not count any more; its pods get no credentials for now"
        );
    }

    fn log_success(&self, before: Option<&Keyring>, keyring: &Keyring) {
        let (issuer, failed) = (&self.issuer, self.requests.logged.swap(false, Ordering::Relaxed));
        let is_new = before != Some(keyring);
        if keyring.is_empty() && is_new {
            let hint = "tokens are signed with RS256, RS384, RS512, ES256 or ES384, and RSA keys have 2048 to 8192 bits";
            warn!(
                event = "issuer_keys",
                issuer,
                hint,
                "the key set of an issuer has no key that can be used; its pods get no credentials"
            );
        } else if is_new && before.is_some() {
            info!(event = "issuer_keys", issuer, ?keyring, "the keys of an issuer have changed");
        } else if failed {
            info!(event = "issuer_keys", issuer, ?keyring, "fetched the keys of an issuer again");
        } else {
            debug!(event = "issuer_keys", issuer, ?keyring, "fetched the keys of an issuer");
        }
    }

    fn log_failure(&self, failure: &Failure, others_count: bool) {
        let (issuer, hint) = (&self.issuer, failure.hint.as_deref());
        if self.requests.logged.swap(true, Ordering::Relaxed) {
            debug!(event = "issuer_keys", issuer, hint, error = %failure, "no keys of an issuer still");
        } else if others_count {
            warn!(event = "issuer_keys", issuer, hint, error = %failure, "cannot fetch the keys of an issuer; those of before count for an hour");
        } else {
            warn!(event = "issuer_keys", issuer, hint, error = %failure, "no keys of an issuer; its pods get no credentials for now");
        }
    }
}

fn watch(file: &Path) -> Option<FileWatch> {
    let watch = FileWatch::new(file);
    watch
        .inspect_err(|error| {
            debug!(event = "issuer_keys", file = %file.display(), %error, "a change of this file is noticed ten minutes later");
        })
        .ok()
}

/// Ends when the file may have changed; never without a watch.
async fn changed(watch: &mut Option<FileWatch>) {
    let Some(watching) = watch else { return std::future::pending().await };
    if let Err(error) = watching.changed().await {
        debug!(event = "issuer_keys", %error, "the watch on a file of keys has ended");
        *watch = None;
    }
}

impl fmt::Debug for KeyRefresh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRefresh").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
