//! Carries out what the machine decides: sleeps, asks, publishes, tells.
//!
//! Knows neither HTTP nor STS, only the traits of [`super::port`]. An attempt
//! runs in a task of its own under a deadline, so that neither a hang nor a
//! panic in a dependency ends rotation. Between events nothing ticks.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::machine::{Event, Machine};
use super::news::{Level, News, Obtained, Outcome};
use super::port::{Alarm, Assume, Publish, Rang};
use super::standing::{Phase, Standing};
use crate::clock::{BootTime, Clock};
use crate::credentials::Grant;
use crate::failure::{Failure, Kind};
use crate::pulse::Pulse;

/// How long one attempt may take, a `credential_process` and a chain included.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// How others call on a role's rotation and see how it stands; clones ring the same bell.
#[derive(Debug, Clone, Default)]
pub struct Bell(Arc<Orders>);

#[derive(Debug, Default)]
struct Orders {
    demand: Notify,
    refresh: Notify,
    /// Milliseconds since boot; from then on a demand is followed at once.
    demandable: AtomicU64,
    locked: watch::Sender<bool>,
    standing: watch::Sender<Standing>,
    pulse: Pulse,
    rest: Rest,
}

/// When a role that nobody asks for stops rotating.
#[derive(Debug, Default)]
struct Rest {
    /// Milliseconds since boot: when somebody asked last.
    asked: AtomicU64,
    /// Milliseconds without a question after which it rests; 0 is never.
    after: AtomicU64,
    /// It rests.
    taken: AtomicBool,
}

impl Rest {
    /// True where nobody has asked for so long.
    fn is_due(&self, now: BootTime) -> bool {
        let [asked, after] = [&self.asked, &self.after].map(|it| it.load(Ordering::Relaxed));
        after > 0 && millis(now.since_boot()).saturating_sub(asked) >= after
    }
}

impl Bell {
    /// A request found nothing valid; cheap, and any number of times is once.
    ///
    /// Tells how long it takes until an attempt is under way: nothing is to be
    /// had by waiting less.
    #[allow(clippy::must_use_candidate, reason = "ringing is what it is for")]
    pub fn demand(&self, now: BootTime) -> Duration {
        self.0.rest.asked.store(millis(now.since_boot()), Ordering::Relaxed);
        self.0.demand.notify_one();
        let from = Duration::from_millis(self.0.demandable.load(Ordering::Relaxed));
        BootTime::from_boot(from).since(now)
    }

    /// A request found what it wanted; wakes the rotation of what it found, where it rests.
    pub fn asked(&self, now: BootTime) {
        // In one order with the accesses of `Orders::rests`.
        self.0.rest.asked.store(millis(now.since_boot()), Ordering::SeqCst);
        if self.0.rest.taken.load(Ordering::SeqCst) {
            self.0.demand.notify_one();
        }
    }

    /// Rests when nobody has asked for so long, or never; whoever never rests begins at once.
    pub fn rest_after(&self, span: Option<Duration>) {
        let before = self.0.rest.after.swap(span.map_or(0, millis), Ordering::Relaxed);
        if span.is_none() && before > 0 {
            self.0.demand.notify_one();
        }
    }

    /// Rotate now, whatever the back-off; remembered while an attempt is in flight.
    pub fn refresh(&self) {
        self.0.refresh.notify_one();
    }

    /// No more attempts, the one in flight is dropped, and what was held is forgotten.
    pub fn lock(&self) {
        self.0.locked.send_replace(true);
    }

    /// Attempts begin again, with nothing held.
    pub fn unlock(&self) {
        self.0.locked.send_replace(false);
    }

    /// Tells whether rotation still turns.
    #[must_use]
    pub fn pulse(&self) -> Pulse {
        self.0.pulse.clone()
    }

    /// Waits until more attempts have ended than `before` tells of the moment.
    pub fn outcome(&self, before: fn(&Standing) -> u64) -> impl Future<Output = ()> + Send + use<> {
        let mut standing = self.standing();
        let before = before(&standing.borrow());
        let told = move |now: &Standing| {
            // A rotation that began anew, after a reload, counts from zero.
            let anew = now.attempts < before && now.landed() > 0;
            anew || now.landed() > before || now.phase == Phase::Locked
        };
        async move {
            // The sender goes with the role, and nobody waits longer.
            let _ = standing.wait_for(told).await;
        }
    }

    /// How the role stands, now and after each event.
    #[must_use]
    pub fn standing(&self) -> watch::Receiver<Standing> {
        self.0.standing.subscribe()
    }
}

impl Orders {
    /// Notes whether the role rests. A question since `before` found it awake and woke nobody.
    fn rests(&self, rests: bool, before: u64) {
        self.rest.taken.store(rests, Ordering::SeqCst);
        if rests && self.rest.asked.load(Ordering::SeqCst) != before {
            self.demand.notify_one();
        }
    }

    fn demandable_from(&self, point: BootTime) {
        self.demandable.store(millis(point.since_boot()), Ordering::Relaxed);
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Where jitter comes from: numbers in `0.0..1.0`.
pub type Dice = Box<dyn Fn() -> f64 + Send>;

/// Dice that fall differently in each process and each time.
#[must_use]
pub fn dice() -> Dice {
    Box::new(|| {
        // Each `RandomState` has keys of its own, random at the root.
        let bits = RandomState::new().hash_one(()) >> 32;
        f64::from(u32::try_from(bits).unwrap_or_default()) / (f64::from(u32::MAX) + 1.0)
    })
}

/// The rotation of one role, ready to run.
pub struct Rotation<A> {
    /// What the log calls the role.
    pub role: String,
    /// Who gets credentials.
    pub assume: Arc<dyn Assume>,
    /// Who shows them.
    pub publish: Arc<dyn Publish>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Who wakes us.
    pub alarm: A,
    /// Who calls on us.
    pub bell: Bell,
    /// What spreads the attempts of many daemons.
    pub dice: Dice,
    /// How long one attempt may take: [`PATIENCE`].
    pub patience: Duration,
}

impl<A> fmt::Debug for Rotation<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rotation").field("role", &self.role).finish_non_exhaustive()
    }
}

type Flight = AbortOnDropHandle<Result<Grant, Failure>>;

impl<A: Alarm> Rotation<A> {
    /// Rotates until `shutdown`; an attempt in flight then is dropped.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut machine = Machine::default();
        let mut flight: Option<Flight> = None;
        let mut locked = self.bell.0.locked.subscribe();
        let mut asked = self.bell.0.rest.asked.load(Ordering::SeqCst);
        let mut event = if *locked.borrow_and_update() { Event::Lock } else { self.first() };
        loop {
            let now = self.clock.now();
            let step = machine.on(event, now, (self.dice)());
            self.bell.0.rests(machine.rests(), asked);
            if let Some(news) = step.news {
                self.tell(news, step.alarm);
            }
            // After the news, so that whoever waited for it finds it told.
            self.bell.0.standing.send_replace(machine.standing(now));
            self.bell.0.demandable_from(step.demandable);
            if step.attempt {
                flight = Some(self.attempt());
            }
            asked = self.bell.0.rest.asked.load(Ordering::SeqCst);
            event = loop {
                break tokio::select! {
                    biased;
                    () = shutdown.cancelled() => return,
                    Ok(()) = locked.changed() => {
                        flight = None;
                        // Forgets even where it was unlocked again meanwhile.
                        let _ = machine.on(Event::Lock, self.clock.now(), 0.0);
                        if *locked.borrow_and_update() { Event::Lock } else { Event::Unlock }
                    }
                    outcome = landing(&mut flight) => outcome.map_or_else(Event::Failed, Event::Got),
                    () = self.bell.0.refresh.notified() => Event::Refresh,
                    rang = self.alarm.ring_at(step.alarm) => self.rang(rang),
                    () = self.bell.0.demand.notified() => Event::Demand,
                    () = self.bell.0.pulse.beat() => continue,
                };
            };
        }
    }

    /// Who may rest does, until somebody asks.
    fn first(&self) -> Event {
        let may_rest = self.bell.0.rest.after.load(Ordering::Relaxed) > 0;
        if may_rest { Event::Rest } else { Event::Started }
    }

    fn attempt(&self) -> Flight {
        tracing::debug!(event = "attempt", role = %self.role, "asking for credentials");
        let assume = Arc::clone(&self.assume);
        let patience = self.patience;
        AbortOnDropHandle::new(tokio::spawn(async move {
            tokio::time::timeout(patience, assume.attempt())
                .await
                .unwrap_or_else(|_| Err(out_of_time(patience)))
        }))
    }

    fn rang(&self, rang: Rang) -> Event {
        match rang {
            Rang::Due if self.bell.0.rest.is_due(self.clock.now().boot) => {
                tracing::debug!(event = "rests", role = %self.role, "nobody asked for it");
                Event::Rest
            }
            Rang::Due => Event::Due,
            Rang::ClockChanged => {
                tracing::debug!(event = "clock", role = %self.role, "the clock was set, or the machine woke up");
                Event::ClockChanged
            }
        }
    }

    fn tell(&self, news: News, next: Option<Timestamp>) {
        match news.outcome {
            Outcome::Obtained(obtained) => self.obtained(*obtained, news.level, next),
            Outcome::Failed(failure) => self.failed(&failure, news.level, next),
        }
    }
}

/// Tracing wants its levels at compile time.
macro_rules! at {
    ($level:expr, $($line:tt)+) => {
        match $level {
            Level::Error => tracing::error!($($line)+),
            Level::Warn => tracing::warn!($($line)+),
            Level::Info => tracing::info!($($line)+),
            Level::Debug => tracing::debug!($($line)+),
        }
    };
}

impl<A> Rotation<A> {
    fn obtained(&self, obtained: Obtained, level: Level, next: Option<Timestamp>) {
        let Obtained { snapshot, grant, rotated, skew } = obtained;
        let role = &self.role;
        let (generation, expires) = (snapshot.generation, grant.credentials.expiration());
        self.publish.publish(snapshot, &grant);
        let next = next.map(tracing::field::display);
        if let Some(skew) = skew {
            at!(level, event = "clock", %role, %skew, "this machine's clock is wrong");
        }
        if rotated {
            tracing::info!(event = "rotated", %role, generation, %expires, next, "rotated");
        } else {
            tracing::debug!(event = "unchanged", %role, generation, %expires, next, "the source gave the same set again");
        }
    }

    fn failed(&self, failure: &Failure, level: Level, next: Option<Timestamp>) {
        let role = &self.role;
        let next = next.map(tracing::field::display);
        let hint = failure.hint.as_deref();
        let code = failure.code.as_deref();
        if failure.awaits_human() {
            at!(level, event = "waiting", %role, code, error = %failure, hint, "a human is needed");
        } else {
            at!(level, event = "failed", %role, code, error = %failure, hint, next, "no credentials");
        }
        self.publish.failed(failure);
    }
}

/// What the attempt in flight brings; never, where there is none.
async fn landing(flight: &mut Option<Flight>) -> Result<Grant, Failure> {
    let Some(running) = flight else {
        return std::future::pending().await;
    };
    let outcome = running.await;
    *flight = None;
    outcome.unwrap_or_else(|_| {
        Err(Failure::new(Kind::Panicked, "the attempt panicked")
            .hint("this is a bug in assumed: please report it with the lines above"))
    })
}

fn out_of_time(patience: Duration) -> Failure {
    Failure::new(Kind::Unreachable, format!("no credentials within {} s", patience.as_secs()))
        .hint("is STS, or a proxy on the way to it, hanging?")
}

#[cfg(test)]
mod tests;
