//! One role that is served: what clients read, what wakes its rotation, and
//! the rotation itself, which starts again should it ever panic.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::error;

use crate::clock::Clock;
use crate::config::{RoleSettings, Settings};
use crate::control::{Chronicle, Event};
use crate::credentials::{Grant, Snapshot};
use crate::failure::Failure;
use crate::http::ServedRole;
use crate::imds::Facts;
use crate::role::AccountId;
use crate::rotation::port::{Assume, Attempt, Publish};
use crate::rotation::task::{self, Bell, Rotation};
use crate::store::Store;
use crate::sts::request::Need;
use crate::sts::{Reception, RoleChain};
use crate::sys::memory;
use crate::sys::state::KeyBytes;
use crate::sys::wake::WallAlarm;

/// What every role of a daemon is made with.
#[derive(Debug, Clone)]
pub(super) struct Makings {
    /// One code a day, whatever the settings change to meanwhile.
    pub(super) reception: Reception,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) chronicle: Arc<Chronicle>,
    /// So many attempts at once, of all roles together.
    turns: Arc<Semaphore>,
    /// Whose own session it is, where it is not everybody's.
    consumer: Option<String>,
}

/// A role as everybody in the house knows it.
#[derive(Debug, Clone)]
pub(super) struct Known {
    /// As they are now.
    pub(super) settings: watch::Receiver<RoleSettings>,
    /// What is held.
    pub(super) store: Arc<Store>,
    /// The way to its rotation.
    pub(super) bell: Bell,
}

impl Known {
    /// What only a human has, where it needs that.
    pub(super) fn need(&self) -> Option<Need> {
        self.settings.borrow().source.need()
    }
}

/// Everything of one role.
#[derive(Debug)]
pub(super) struct Role {
    settings: watch::Sender<RoleSettings>,
    name: String,
    pub(super) store: Arc<Store>,
    pub(super) bell: Bell,
    makings: Makings,
    rotation: Running,
    /// Held, not read.
    _attendants: Vec<AbortOnDropHandle<()>>,
}

#[derive(Debug)]
struct Running {
    over: CancellationToken,
    task: JoinHandle<()>,
}

impl Makings {
    /// For roles that are everybody's.
    pub(super) fn new(
        reception: &Reception,
        clock: &Arc<dyn Clock>,
        chronicle: &Arc<Chronicle>,
        max_in_flight: usize,
    ) -> Self {
        Self {
            reception: reception.clone(),
            clock: Arc::clone(clock),
            chronicle: Arc::clone(chronicle),
            turns: Arc::new(Semaphore::new(max_in_flight)),
            consumer: None,
        }
    }

    /// For the session of one consumer.
    pub(super) fn of(self, consumer: &str) -> Self {
        Self { consumer: Some(consumer.to_owned()), ..self }
    }

    fn rotation(&self, role: &RoleSettings, store: &Arc<Store>, bell: &Bell) -> Running {
        let over = CancellationToken::new();
        let source = role.source.clone();
        let chain = RoleChain::at(self.reception.clone(), source, Arc::clone(&self.clock));
        let assume = InTurn { chain, turns: Arc::clone(&self.turns) };
        let teller = Teller {
            role: role.name.clone(),
            store: Arc::clone(store),
            makings: self.clone(),
            over: over.clone(),
        };
        let (bell, clock) = (bell.clone(), Arc::clone(&self.clock));
        let name = match &self.consumer {
            Some(consumer) => format!("{} of {consumer}", role.name),
            None => role.name.clone(),
        };
        rotate(name, Arc::new(assume), Arc::new(teller), bell, clock, over)
    }
}

impl Role {
    /// Rotation begins at once, or where it may `rest`, when somebody asks.
    pub(super) fn new(
        settings: RoleSettings,
        facts: Facts,
        makings: Makings,
        rest: Option<Duration>,
    ) -> Self {
        let store = Arc::new(Store::new(facts, Arc::clone(&makings.clock)));
        let bell = Bell::default();
        bell.rest_after(rest);
        let rotation = makings.rotation(&settings, &store, &bell);
        let (name, settings) = (settings.name.clone(), watch::Sender::new(settings));
        Self { settings, name, store, bell, makings, rotation, _attendants: Vec::new() }
    }

    /// Has its humans minded by these, until they are dropped with it.
    pub(super) fn attended_by(self, attendants: Vec<AbortOnDropHandle<()>>) -> Self {
        Self { _attendants: attendants, ..self }
    }

    /// Takes other settings of the same name over; says what changed, if anything did.
    ///
    /// Its credentials stay where the same calls would be made for the same
    /// role. Otherwise the old set is served until the new one is there.
    pub(super) fn change(&mut self, settings: RoleSettings, facts: Facts) -> Option<String> {
        let (anew, other) = {
            let own = self.settings.borrow();
            (!is_same(&own, &settings), *own != settings)
        };
        if anew {
            self.rotation.over.cancel();
            self.store.succeed(facts);
            self.rotation = self.makings.rotation(&settings, &self.store, &self.bell);
            if self.store.read().snapshot.is_some() {
                // Even where it rests: nobody wants what is left of the old set for long.
                self.bell.refresh();
            }
        } else {
            self.store.amend(facts);
        }
        self.settings.send_replace(settings);
        let what = if anew { "assumed anew" } else { "metadata" };
        (anew || other).then(|| format!("role {}: {what}", self.name))
    }

    /// As everybody in the house knows it.
    pub(super) fn known(&self) -> Known {
        let settings = self.settings.subscribe();
        Known { settings, store: Arc::clone(&self.store), bell: self.bell.clone() }
    }

    /// As connections see it.
    pub(super) fn served(&self) -> ServedRole {
        let [asking, found] = [self.bell.clone(), self.bell.clone()];
        ServedRole {
            name: self.name.as_str().into(),
            store: Arc::clone(&self.store),
            demand: Arc::new(move |now| asking.demand(now)),
            interest: Arc::new(move |now| found.asked(now)),
        }
    }

    /// What users call it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Wipes what is held, and serves nothing until it is unlocked.
    pub(super) fn lock(&self) {
        self.store.lock();
        self.bell.lock();
    }

    /// Assumes anew.
    pub(super) fn unlock(&self) {
        self.store.unlock();
        self.bell.unlock();
    }

    /// Wipes what is held, for good.
    pub(super) fn dismiss(self) {
        self.rotation.over.cancel();
        self.store.lock();
    }

    /// Ends rotation; an attempt in flight is dropped.
    pub(super) async fn stop(&mut self) {
        self.rotation.over.cancel();
        // Supervision itself does not panic, and if it did, it has ended.
        let _ = (&mut self.rotation.task).await;
    }
}

/// What IMDS shows of a role.
pub(super) fn facts(
    settings: &Settings,
    role: &RoleSettings,
    key: &KeyBytes,
    since: Timestamp,
) -> Facts {
    Facts {
        role_name: role.role_name.clone(),
        account: role.account.clone().unwrap_or_else(AccountId::unknown),
        partition: role.region.partition(),
        region: role.region.clone(),
        seed: **key,
        metadata: role.metadata.clone(),
        since,
        account_id_in_document: settings.imds.account_id,
    }
}

/// True where the same calls would be made, for the same role.
fn is_same(one: &RoleSettings, other: &RoleSettings) -> bool {
    let whose =
        |role: &RoleSettings| (role.role_name.clone(), role.role_arn.clone(), role.account.clone());
    one.source == other.source && whose(one) == whose(other)
}

/// Asks STS when it is this role's turn.
#[derive(Debug)]
struct InTurn {
    chain: RoleChain,
    turns: Arc<Semaphore>,
}

impl Assume for InTurn {
    fn attempt(&self) -> Attempt {
        let (turns, attempt) = (Arc::clone(&self.turns), self.chain.attempt());
        Box::pin(async move {
            // Never closed; and if it were, nobody would have to wait.
            let _turn = turns.acquire().await;
            attempt.await
        })
    }
}

/// Shows what comes of a rotation, and tells it on, until the rotation is over.
#[derive(Debug)]
struct Teller {
    role: String,
    store: Arc<Store>,
    makings: Makings,
    over: CancellationToken,
}

impl Teller {
    fn note(&self, event: &Event) {
        self.makings.chronicle.note(self.makings.clock.now().wall, event);
    }
}

impl Publish for Teller {
    fn publish(&self, snapshot: Snapshot, grant: &Grant) {
        if self.over.is_cancelled() {
            return;
        }
        let (generation, expires) = (snapshot.generation, snapshot.credentials.expiration());
        let known = self.store.read().snapshot.as_ref().map(|held| held.generation);
        self.store.publish(snapshot, grant);
        if known != Some(generation) {
            let (role, consumer) = (self.role.clone(), self.makings.consumer.clone());
            self.note(&Event::Rotated { role, consumer, generation, expires });
        }
        memory::shed_code();
    }

    fn failed(&self, failure: &Failure) {
        if self.over.is_cancelled() {
            return;
        }
        self.store.failed(failure);
        self.note(&Event::Failed {
            role: self.role.clone(),
            consumer: self.makings.consumer.clone(),
            code: failure.name().to_owned(),
            message: failure.message.clone(),
            hint: failure.hint.clone(),
        });
        memory::shed_code();
    }
}

fn rotate(
    role: String,
    assume: Arc<dyn Assume>,
    publish: Arc<dyn Publish>,
    bell: Bell,
    clock: Arc<dyn Clock>,
    over: CancellationToken,
) -> Running {
    let until = over.clone();
    let task = tokio::spawn(async move {
        while !until.is_cancelled() {
            let Some(alarm) = alarm() else { return };
            let rotation = Rotation {
                role: role.clone(),
                assume: Arc::clone(&assume),
                publish: Arc::clone(&publish),
                clock: Arc::clone(&clock),
                alarm,
                bell: bell.clone(),
                dice: task::dice(),
                patience: task::PATIENCE,
            };
            if tokio::spawn(rotation.run(until.clone())).await.is_err() {
                error!(event = "panicked", role, "rotation panicked; it starts again");
            }
        }
    });
    Running { over, task }
}

fn alarm() -> Option<WallAlarm> {
    WallAlarm::new()
        .inspect_err(|error| error!(%error, "no timer is to be had; rotation stops"))
        .ok()
}
