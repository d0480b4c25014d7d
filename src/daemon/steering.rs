//! What the orders on the control socket do.
//!
//! Holds the same store and bell as the role itself, and sends what ends or
//! changes the daemon to the one loop that may do so.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{oneshot, watch};
use tracing::{info, warn};

use super::consumption::Mint;
use super::orders::Order;
use super::sessions::Sessions;
use crate::clock::{Clock, Now};
use crate::config::{Events, OnSuspend, RoleSettings};
use crate::control::{
    Chronicle, Code, Event, Gift, Listed, Minted, Peer, Pending, Reader, Refusal, Steer, Wanted,
};
use crate::credentials::Credentials;
use crate::rotation::standing::{Phase, Standing};
use crate::rotation::task::Bell;
use crate::status::{Clients, Held, ListenerStatus, RoleStatus, Status};
use crate::store::{State, Store};
use crate::sts::Reception;
use crate::sys::mark::Mark;

/// Whoever asks for credentials that are not there waits no longer than this.
const PATIENCE: Duration = Duration::from_secs(50);
/// A pause before the next attempt that is worth waiting for.
const SOON: Duration = Duration::from_secs(3);

/// What a status shows of the settings and sockets, as they are now.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    pub(super) role: RoleSettings,
    pub(super) listeners: Vec<ListenerStatus>,
    pub(super) events: Events,
}

/// The steering end of a daemon.
#[derive(Debug)]
pub(super) struct Steering {
    pub(super) store: Arc<Store>,
    pub(super) bell: Bell,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) orders: UnboundedSender<Order>,
    pub(super) shown: watch::Receiver<Shown>,
    pub(super) clients: Arc<Clients>,
    pub(super) reception: Reception,
    /// Absent where nothing can be written.
    pub(super) mark: Option<Mark>,
    pub(super) mint: Mint,
    pub(super) sessions: Sessions,
    pub(super) chronicle: Arc<Chronicle>,
    pub(super) socket: PathBuf,
    pub(super) since: Now,
}

impl Steer for Steering {
    fn status(&self) -> Status {
        let now = self.clock.now();
        let (shown, state) = (self.shown.borrow(), self.store.read());
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            now: now.wall,
            started: self.since.wall,
            uptime: now.boot.since(self.since.boot),
            locked: state.locked,
            active: shown.role.name.clone(),
            control: Some(self.socket.clone()),
            listeners: shown.listeners.clone(),
            roles: vec![self.with_ends(role_status(&shown.role, &state, &self.bell, now))],
            clients: self.clients.list(),
        }
    }

    fn refresh(&self, role: Option<&str>) -> Pending<()> {
        let outcome = self.unlocked(role).map(|()| {
            // One that has not begun yet.
            let outcome = self.outcome(|now| now.attempts);
            self.bell.refresh();
            outcome
        });
        let store = Arc::clone(&self.store);
        Box::pin(async move {
            outcome?.await;
            match &store.read().failure {
                Some(failure) => Err(failure.into()),
                None => Ok(()),
            }
        })
    }

    fn reload(&self) -> Pending<Vec<String>> {
        let (reply, outcome) = oneshot::channel();
        // Where the loop has ended, the reply is dropped with the order.
        let _ = self.orders.send(Order::Reload(Some(reply)));
        Box::pin(async move {
            match outcome.await {
                Ok(Ok(changed)) => Ok(changed),
                Ok(Err(mistakes)) => Err(Refusal::new(Code::Settings, mistakes.to_string())
                    .hint("nothing was changed; the old settings stay in force")),
                Err(_) => Err(Refusal::new(Code::Unavailable, "the daemon is ending")),
            }
        })
    }

    fn stop(&self) {
        let _ = self.orders.send(Order::End);
    }

    fn lock(&self, forget: bool) -> Result<(), Refusal> {
        self.store.lock();
        self.bell.lock();
        self.sessions.lock();
        self.note(&Event::Locked);
        self.reception.withhold(true);
        if forget {
            self.reception.forget();
        }
        let kept = self.mark.as_ref().map(Mark::set);
        match kept {
            Some(Ok(())) => {
                info!(event = "locked", "everything is wiped and refused until it is unlocked");
                Ok(())
            }
            kept => {
                let why = kept.and_then(Result::err).map(|error| format!(": {error}"));
                let why = why.unwrap_or_default();
                warn!(event = "locked", "locked, but a restart would unlock it{why}");
                Err(Refusal::new(
                    Code::Unavailable,
                    format!("locked, but a restart would unlock it{why}"),
                )
                .hint("the daemon needs a state directory that it can write"))
            }
        }
    }

    fn suspend(&self) -> Result<bool, Refusal> {
        let asked = self.shown.borrow().events.suspend;
        match asked {
            OnSuspend::Ignore => Ok(false),
            OnSuspend::Lock => self.lock(false).map(|()| true),
            OnSuspend::Forget => self.lock(true).map(|()| true),
        }
    }

    fn unlock(&self) -> Result<(), Refusal> {
        if let Some(Err(error)) = self.mark.as_ref().map(Mark::clear) {
            return Err(Refusal::new(Code::Unavailable, format!("cannot unlock: {error}"))
                .hint("the mark of the lock is in the state directory"));
        }
        if self.store.read().locked {
            self.store.unlock();
            self.bell.unlock();
            self.sessions.unlock();
            self.note(&Event::Unlocked);
            self.reception.withhold(false);
            info!(event = "unlocked", "credentials are assumed anew");
        }
        Ok(())
    }

    fn hand_in(&self, role: Option<&str>, gift: Gift) -> Pending<()> {
        self.take(role, gift)
    }

    fn credentials(&self, role: Option<&str>) -> Pending<Credentials> {
        let ready = self.unlocked(role).map(|()| self.held());
        let outcome = self.outcome(Standing::landed);
        let now = self.clock.now();
        // Back-off holds here as for any client.
        let soon = matches!(ready, Ok(None)) && self.bell.demand(now.boot) <= SOON;
        let (store, clock) = (Arc::clone(&self.store), Arc::clone(&self.clock));
        Box::pin(async move {
            if let Some(held) = ready? {
                return Ok(held);
            }
            if soon {
                // In time or not, what is held then decides.
                let _ = tokio::time::timeout(PATIENCE, outcome).await;
            }
            let state = store.read();
            let valid = state.snapshot.as_ref().filter(|held| held.is_valid(clock.now()));
            match (valid, &state.failure) {
                (Some(held), _) => Ok(held.credentials.clone()),
                (None, _) if state.locked => Err(Refusal::locked()),
                (None, Some(failure)) => Err(failure.into()),
                (None, None) => Err(Refusal::new(Code::Unavailable, "no credentials yet")),
            }
        })
    }

    fn consumers(&self) -> Vec<Listed> {
        self.mint.list()
    }

    fn mint(&self, wanted: Wanted, peer: Peer) -> Pending<Minted> {
        let may = self.unlocked(wanted.role.as_deref());
        let (mint, role) = (self.mint.clone(), self.shown.borrow().role.clone());
        Box::pin(async move {
            may?;
            mint.mint(wanted, role, peer).await
        })
    }

    fn activate(&self, role: &str) -> Result<String, Refusal> {
        let status = self.status();
        let known = status.role(Some(role)).ok_or_else(|| Refusal::no_role(Some(role), &status))?;
        Ok(known.name.clone())
    }

    fn events(&self) -> Reader {
        self.chronicle.read()
    }

    fn revoke(&self, name: &str) -> Pending<()> {
        let (mint, name) = (self.mint.clone(), name.to_owned());
        Box::pin(async move { mint.revoke(&name).await })
    }
}

/// How a role stands, as everybody is told.
pub(super) fn role_status(
    settings: &RoleSettings,
    state: &State,
    bell: &Bell,
    now: Now,
) -> RoleStatus {
    let held = Held {
        snapshot: state.snapshot.as_deref(),
        failure: state.failure.as_ref(),
        account: &state.facts().account,
        locked: state.locked,
        failed: &state.failed,
    };
    let standing = *bell.standing().borrow();
    RoleStatus::new(settings, held, standing, now)
}

impl Steering {
    /// That the role is ours, and may be used.
    pub(super) fn unlocked(&self, role: Option<&str>) -> Result<(), Refusal> {
        if role.is_some_and(|role| role != self.shown.borrow().role.name) {
            return Err(Refusal::no_role(role, &self.status()));
        }
        if self.store.read().locked { Err(Refusal::locked()) } else { Ok(()) }
    }

    fn note(&self, event: &Event) {
        self.chronicle.note(self.clock.now().wall, event);
    }

    fn held(&self) -> Option<Credentials> {
        let now = self.clock.now();
        let state = self.store.read();
        let valid = state.snapshot.as_ref().filter(|held| held.is_valid(now));
        valid.map(|held| held.credentials.clone())
    }

    /// Waits until more attempts have ended than `before` tells of the moment.
    pub(super) fn outcome(
        &self,
        before: fn(&Standing) -> u64,
    ) -> impl Future<Output = ()> + Send + use<> {
        outcome(&self.bell, before)
    }
}

/// Waits until more attempts have ended than `before` tells of the moment.
pub(super) fn outcome(
    bell: &Bell,
    before: fn(&Standing) -> u64,
) -> impl Future<Output = ()> + Send + use<> {
    let mut standing = bell.standing();
    let before = before(&standing.borrow());
    let told = move |now: &Standing| {
        // A rotation that began anew, after a reload, counts from zero.
        let anew = now.attempts < before && now.landed() > 0;
        anew || now.landed() > before || now.phase == Phase::Locked
    };
    async move {
        // The sender goes with the daemon, and nobody waits longer.
        let _ = standing.wait_for(told).await;
    }
}
