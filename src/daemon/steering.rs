//! What the orders on the control socket do.
//!
//! Knows each role's store and bell, and sends what ends or changes the daemon
//! to the one loop that may do so.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{oneshot, watch};
use tracing::{info, warn};

use super::consumption::Mint;
use super::locked_sessions::LockedSessions;
use super::orders::Order;
use super::role::Known;
use super::sessions::Sessions;
use crate::clock::{Clock, Now};
use crate::config::{Events, OnSuspend};
use crate::container::pod::IssuerKeys;
use crate::control::{
    Chronicle, Code, Event, Gift, Listed, Minted, Peer, Pending, Reader, Refusal, Steer, Wanted,
};
use crate::credentials::Credentials;
use crate::http::ConnectionCloser;
use crate::rotation::standing::Standing;
use crate::status::{Clients, Held, IssuerStatus, ListenerStatus, RoleStatus, Status};
use crate::sts::Reception;
use crate::sts::request::Need;
use crate::sys::mark::Mark;

/// Whoever asks for credentials that are not there waits no longer than this.
const PATIENCE: Duration = Duration::from_secs(50);
/// A pause before the next attempt that is worth waiting for.
const SOON: Duration = Duration::from_secs(3);

/// What a status shows of the roles, settings and sockets, as they are now.
#[derive(Debug, Clone, Default)]
pub(super) struct Shown {
    /// The name of the active one.
    pub(super) active: String,
    pub(super) roles: Vec<Known>,
    pub(super) listeners: Vec<ListenerStatus>,
    pub(super) events: Events,
}

impl Shown {
    /// The role of this name; the active one without a name.
    fn find(&self, name: Option<&str>) -> Option<&Known> {
        let name = name.unwrap_or(&self.active);
        self.roles.iter().find(|role| role.settings.borrow().name == name)
    }

    /// Has the others tried that wait for the very thing that one was given.
    pub(super) fn retry_others(&self, given: &Known, need: &Need) {
        let others = self.roles.iter().filter(|role| !Arc::ptr_eq(&role.store, &given.store));
        for role in others.filter(|role| role.need().as_ref() == Some(need)) {
            if role.store.read().awaits_human() {
                role.bell.refresh();
            }
        }
    }
}

/// The steering end of a daemon.
#[derive(Debug)]
pub(super) struct Steering {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) orders: UnboundedSender<Order>,
    pub(super) shown: watch::Receiver<Shown>,
    pub(super) issuers: watch::Receiver<BTreeMap<String, IssuerKeys>>,
    pub(super) clients: Arc<Clients>,
    pub(super) reception: Reception,
    /// The MFA sessions, while the daemon is locked.
    pub(super) locked_sessions: LockedSessions,
    pub(super) closer: ConnectionCloser,
    /// Absent where nothing can be written.
    pub(super) mark: Option<Mark>,
    pub(super) mint: Mint,
    pub(super) sessions: Sessions,
    pub(super) chronicle: Arc<Chronicle>,
    /// Absent where none could be opened.
    pub(super) socket: Option<PathBuf>,
    pub(super) since: Now,
}

impl Steer for Steering {
    fn status(&self) -> Status {
        let now = self.clock.now();
        let shown = self.shown.borrow();
        let issuers = self.issuers.borrow();
        let roles = shown.roles.iter().map(|role| self.with_ends(role_status(role, now)));
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            now: now.wall,
            started: self.since.wall,
            uptime: now.boot.since(self.since.boot),
            locked: self.is_locked(),
            active: shown.active.clone(),
            control: self.socket.clone(),
            listeners: shown.listeners.clone(),
            roles: roles.collect(),
            issuers: issuers
                .iter()
                .map(|(name, keys)| IssuerStatus::new(name, keys, now))
                .collect(),
            clients: self.clients.list(),
        }
    }

    fn refresh(&self, role: Option<&str>) -> Pending<()> {
        let begun = self.unlocked(role).map(|role| {
            // One that has not begun yet.
            let outcome = role.bell.outcome(|now| now.attempts);
            role.bell.refresh();
            (role, outcome)
        });
        Box::pin(async move {
            let (role, outcome) = begun?;
            outcome.await;
            match &role.store.read().failure {
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
        for role in &self.shown.borrow().roles {
            role.store.lock();
            role.bell.lock();
        }
        self.sessions.lock();
        self.note(&Event::Locked);
        self.locked_sessions.take_from(&self.reception, self.clock.now());
        self.reception.withhold(true);
        if forget {
            self.reception.forget();
            self.locked_sessions.forget();
        }
        // What connections have carried is in their buffers.
        self.closer.close_all();
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
        if self.is_locked() {
            self.locked_sessions.give_back(&self.reception, self.clock.now());
            self.reception.withhold(false);
            for role in &self.shown.borrow().roles {
                role.store.unlock();
                role.bell.unlock();
            }
            self.sessions.unlock();
            self.note(&Event::Unlocked);
            info!(event = "unlocked", "credentials are assumed anew");
        }
        Ok(())
    }

    fn hand_in(&self, role: Option<&str>, gift: Gift) -> Pending<()> {
        self.take(role, gift)
    }

    fn credentials(&self, role: Option<&str>) -> Pending<Credentials> {
        let role = self.unlocked(role);
        let ready = role.map(|role| {
            let (now, held) = (self.clock.now(), self.held(&role));
            let outcome = role.bell.outcome(Standing::landed);
            role.bell.asked(now.boot);
            // Back-off holds here as for any client.
            let soon = held.is_none() && role.bell.demand(now.boot) <= SOON;
            (role.store, held, outcome, soon)
        });
        let clock = Arc::clone(&self.clock);
        Box::pin(async move {
            let (store, held, outcome, soon) = ready?;
            if let Some(held) = held {
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
        let role = self.unlocked(wanted.role.as_deref());
        let role = role.map(|role| {
            // The consumer will ask in a moment.
            role.bell.asked(self.clock.now().boot);
            role.settings.borrow().clone()
        });
        let mint = self.mint.clone();
        Box::pin(async move { mint.mint(wanted, role?, peer).await })
    }

    fn activate(&self, role: &str) -> Pending<String> {
        let name = self.activatable(role);
        let (reply, done) = oneshot::channel();
        if let Ok(name) = &name {
            // Where the loop has ended, the reply is dropped with the order.
            let _ = self.orders.send(Order::Use(name.clone(), reply));
        }
        Box::pin(async move {
            let name = name?;
            let ending = |_| Refusal::new(Code::Unavailable, "the daemon is ending");
            done.await.map(|()| name).map_err(ending)
        })
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
pub(super) fn role_status(role: &Known, now: Now) -> RoleStatus {
    let state = role.store.read();
    let held = Held {
        snapshot: state.snapshot.as_deref(),
        failure: state.failure.as_ref(),
        account: &state.facts().account,
        locked: state.locked,
        failed: &state.failed,
    };
    let standing = *role.bell.standing().borrow();
    RoleStatus::new(&role.settings.borrow(), held, standing, now)
}

impl Steering {
    /// The role of this name, which may be used.
    pub(super) fn unlocked(&self, name: Option<&str>) -> Result<Known, Refusal> {
        let found = self.shown.borrow().find(name).cloned();
        let role = found.ok_or_else(|| Refusal::no_role(name, &self.status()))?;
        let locked = role.store.read().locked;
        if locked { Err(Refusal::locked()) } else { Ok(role) }
    }

    /// The name of a role that may become the active one.
    fn activatable(&self, name: &str) -> Result<String, Refusal> {
        let found = self.shown.borrow().find(Some(name)).cloned();
        let role = found.ok_or_else(|| Refusal::no_role(Some(name), &self.status()))?;
        if role.settings.borrow().protected {
            return Err(Refusal::new(
                Code::BadRequest,
                format!("{name} is protected, and never the active role"),
            )
            .hint(format!("assumed exec {name} -- COMMAND gives it to one command")));
        }
        Ok(name.to_owned())
    }

    /// All roles are, or none.
    fn is_locked(&self) -> bool {
        self.shown.borrow().roles.iter().any(|role| role.store.read().locked)
    }

    fn note(&self, event: &Event) {
        self.chronicle.note(self.clock.now().wall, event);
    }

    fn held(&self, role: &Known) -> Option<Credentials> {
        let now = self.clock.now();
        let state = role.store.read();
        let valid = state.snapshot.as_ref().filter(|held| held.is_valid(now));
        valid.map(|held| held.credentials.clone())
    }
}
