//! The rotation of a role, and the handle by which others call on it.

use std::time::Duration;

use assumed_shuttle::clock::Clock as _;
use assumed_shuttle::failure::{Failure, Kind};
use assumed_shuttle::rotation::port::{Alarm, Assume, Attempt, Rang};
use assumed_shuttle::rotation::standing::{Phase, Standing};
use assumed_shuttle::rotation::task::{Bell, PATIENCE, Rotation};
use assumed_shuttle::samples::{Clockwork, HOUR, grant, store};
use assumed_shuttle::store::Store;
use jiff::Timestamp;
use shuttle::sync::Arc;
use shuttle::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const SCHEDULES: usize = 1000;

/// Grants a set with the number of the attempt; the first `failing` attempts fail.
struct Numbered {
    clock: Arc<Clockwork>,
    begun: AtomicU64,
    failing: u64,
}

impl Assume for Numbered {
    fn attempt(&self) -> Attempt {
        let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let outcome = if number > self.failing {
            Ok(grant(number, self.clock.now()))
        } else {
            Err(Failure::new(Kind::Unreachable, "no route to host"))
        };
        Box::pin(async move {
            tokio::task::yield_now().await;
            outcome
        })
    }
}

/// Rings when the test says so.
struct HandRung(UnboundedReceiver<Rang>);

impl Alarm for HandRung {
    async fn ring_at(&mut self, _: Option<Timestamp>) -> Rang {
        match self.0.recv().await {
            Some(rang) => rang,
            None => std::future::pending().await,
        }
    }
}

/// A running rotation, and what it touches.
struct Rig {
    clock: Arc<Clockwork>,
    store: Arc<Store>,
    bell: Bell,
    ring: UnboundedSender<Rang>,
    shutdown: CancellationToken,
    running: JoinHandle<()>,
}

impl Rig {
    fn start(failing: u64, bell: Bell) -> Self {
        let clock = Clockwork::new();
        let store = store(Arc::clone(&clock));
        let (ring, rings) = unbounded_channel();
        let shutdown = CancellationToken::new();
        let rotation = Rotation {
            role: "deploy".to_owned(),
            assume: Arc::new(Numbered {
                clock: Arc::clone(&clock),
                begun: AtomicU64::new(0),
                failing,
            }),
            publish: Arc::clone(&store) as _,
            clock: Arc::clone(&clock) as _,
            alarm: HandRung(rings),
            bell: bell.clone(),
            dice: Box::new(|| 0.0),
            patience: PATIENCE,
        };
        let running = tokio::spawn(rotation.run(shutdown.clone()));
        Self { clock, store, bell, ring, shutdown, running }
    }

    async fn until(&self, told: impl FnMut(&Standing) -> bool) {
        assert!(self.bell.standing().wait_for(told).await.is_ok());
    }

    async fn published(&self) {
        let mut outcomes = self.store.subscribe();
        assert!(outcomes.wait_for(|state| state.snapshot.is_some()).await.is_ok());
    }

    /// Ends it, which must not hang either.
    async fn end(self) {
        self.shutdown.cancel();
        self.running.await.unwrap();
    }
}

/// Under many schedules; a wake-up that is lost is a deadlock, which Shuttle reports.
fn check<F: Future<Output = ()> + Send + 'static>(scenario: fn() -> F) {
    shuttle::check_random(move || shuttle::future::block_on(scenario()), SCHEDULES);
}

#[test]
fn a_refresh_is_never_lost() {
    check(|| async {
        let rig = Rig::start(0, Bell::default());
        let others: Vec<_> = (0..2)
            .map(|_| {
                let bell = rig.bell.clone();
                tokio::spawn(async move {
                    let outcome = bell.outcome(|standing| standing.attempts);
                    bell.refresh();
                    outcome.await;
                })
            })
            .collect();
        for other in others {
            other.await.unwrap();
        }
        rig.published().await;
        rig.end().await;
    });
}

#[test]
fn a_demand_that_is_told_not_to_wait_has_an_attempt() {
    check(|| async {
        let rig = Rig::start(1, Bell::default());
        rig.until(|standing| standing.failures == 1).await;
        rig.clock.pass(HOUR);
        let asking: Vec<_> = (0..2)
            .map(|_| {
                let (bell, store, now) =
                    (rig.bell.clone(), Arc::clone(&rig.store), rig.clock.now());
                tokio::spawn(async move {
                    let mut outcomes = store.subscribe();
                    let soon = bell.demand(now.boot);
                    assert_eq!(soon, Duration::ZERO, "an hour is longer than any back-off");
                    assert!(outcomes.wait_for(|state| state.snapshot.is_some()).await.is_ok());
                })
            })
            .collect();
        for one in asking {
            one.await.unwrap();
        }
        rig.end().await;
    });
}

#[test]
fn after_a_lock_and_an_unlock_there_is_a_new_set() {
    check(|| async {
        let rig = Rig::start(0, Bell::default());
        let refreshing = {
            let bell = rig.bell.clone();
            tokio::spawn(async move { bell.refresh() })
        };
        rig.store.lock();
        rig.bell.lock();
        assert!(rig.store.read().snapshot.is_none());
        rig.until(|standing| standing.phase == Phase::Locked).await;
        assert!(rig.store.read().snapshot.is_none());
        rig.store.unlock();
        rig.bell.unlock();
        rig.published().await;
        refreshing.await.unwrap();
        rig.end().await;
    });
}

#[test]
fn a_role_that_is_asked_for_does_not_rest() {
    check(|| async {
        let bell = Bell::default();
        bell.rest_after(Some(HOUR));
        let rig = Rig::start(0, bell);
        rig.bell.demand(rig.clock.now().boot);
        rig.published().await;
        rig.clock.pass(2 * HOUR);
        let asking = {
            let (bell, now) = (rig.bell.clone(), rig.clock.now());
            tokio::spawn(async move { bell.asked(now.boot) })
        };
        assert!(rig.ring.send(Rang::Due).is_ok());
        rig.until(|standing| standing.attempts == 2).await;
        asking.await.unwrap();
        rig.end().await;
    });
}

#[test]
fn the_end_is_heard_in_the_middle_of_anything() {
    check(|| async {
        let rig = Rig::start(0, Bell::default());
        let (bell, pulse) = (rig.bell.clone(), rig.bell.pulse());
        let disturbing = tokio::spawn(async move {
            bell.refresh();
            pulse.feel().await;
            bell.lock();
            bell.unlock();
        });
        rig.until(|standing| standing.attempts > 0).await;
        disturbing.await.unwrap();
        rig.end().await;
    });
}
