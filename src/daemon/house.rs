//! A daemon that lives: does what it is told, and sees what comes of rotation.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::listeners::Listeners;
use super::orders::{Order, Orders};
use super::reload::Reading;
use super::role::{self, Role};
use super::{Company, Daemon};
use crate::clock::{Clock, SystemClock};
use crate::config::{RoleSettings, Settings};
use crate::failure::Failure;
use crate::fatal::{Exit, Fatal};
use crate::http::{ForeignNames, Site, Terms};
use crate::imds::{Facts, HostNames, TokenKey};
use crate::log::Logging;
use crate::sys::detach::{Herald, Word};
use crate::sys::identity;
use crate::sys::state::{KeyBytes, StateDirectory};

/// Everything that runs.
#[derive(Debug)]
pub(super) struct House {
    pub(super) settings: Settings,
    pub(super) role: Role,
    pub(super) site: Arc<Site>,
    pub(super) listeners: Listeners,
    pub(super) logging: Option<Logging>,
    /// Away from the terminal, standard error is the log file too.
    pub(super) detached: bool,
    pub(super) reading: Reading,
    clock: Arc<dyn Clock>,
    since: Timestamp,
    key: KeyBytes,
    _companion: Option<AbortOnDropHandle<()>>,
    // Held, not read: the lock ends with it.
    _state: Option<StateDirectory>,
}

impl House {
    /// Rotation and service begin.
    pub(super) fn open(daemon: Daemon, company: Company, detached: bool) -> Result<Self, Fatal> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let since = clock.now().wall;
        let companion = company.companion.map(tokio::spawn).map(AbortOnDropHandle::new);
        let Daemon { settings, bound, key, state } = daemon;
        let active = active(&settings);
        let facts = role::facts(&settings, active, &key, since);
        let role = Role::new(active.clone(), facts, &clock);
        let mut listeners = Listeners::default();
        let terms = Terms { options: settings.imds, names: HostNames::new([], []) };
        let site = Arc::new(site(&role, &clock, &key, terms));
        for bound in bound {
            listeners.serve(bound, &site)?;
        }
        let house = Self {
            settings,
            role,
            site,
            listeners,
            logging: company.logging,
            detached,
            reading: Reading::new(company.reread),
            clock,
            since,
            key,
            _companion: companion,
            _state: state,
        };
        house.renew_terms();
        Ok(house)
    }

    /// Lives until an order or a refusal ends it, then lets clients finish.
    pub(super) async fn live(
        mut self,
        mut orders: Orders,
        herald: &mut Option<Herald>,
    ) -> Result<(), Fatal> {
        let ended = self.attend(&mut orders, herald).await;
        self.listeners.drain(&mut orders).await;
        self.role.stop().await;
        ended
    }

    async fn attend(
        &mut self,
        orders: &mut Orders,
        herald: &mut Option<Herald>,
    ) -> Result<(), Fatal> {
        let mut outcomes = self.role.store.subscribe();
        // Nobody waits in the foreground.
        let patience = tokio::time::sleep(self.settings.ready_timeout);
        let mut patience = std::pin::pin!(patience);
        loop {
            tokio::select! {
                order = orders.next() => match order {
                    Order::Rotate => self.role.bell.refresh(),
                    Order::Reload(reply) => self.reading.ask(reply),
                    Order::End => return Ok(()),
                },
                read = self.reading.done() => self.reload(read).await,
                Ok(()) = outcomes.changed() => self.judge(herald)?,
                () = &mut patience, if herald.is_some() => return Err(self.not_ready()),
            }
        }
    }

    /// Whether what came of an attempt ends the daemon, or the waiting of whoever started it.
    fn judge(&self, herald: &mut Option<Herald>) -> Result<(), Fatal> {
        let (serves, refusal) = {
            let state = self.role.store.read();
            let now = self.clock.now();
            let valid = state.snapshot.as_ref().is_some_and(|snapshot| snapshot.is_valid(now));
            (valid, state.refusal())
        };
        match (serves, refusal) {
            (true, _) => match herald.take() {
                Some(herald) => herald.tell(&self.ready()).map_err(|_| nobody_waits()),
                None => Ok(()),
            },
            // What is valid is served to its end, also after a refusal.
            (false, Some(refusal)) if self.settings.exit_on_refusal => Err(refused(&refusal)),
            (false, _) => Ok(()),
        }
    }

    fn ready(&self) -> Word {
        let urls =
            self.listeners.addresses().into_iter().map(|address| format!("http://{address}"));
        let (name, urls) = (self.role.name(), urls.collect::<Vec<_>>().join(" "));
        Word { code: 0, text: format!("serving {name} on {urls} (pid {})", std::process::id()) }
    }

    fn not_ready(&self) -> Fatal {
        let span = self.settings.ready_timeout.as_secs();
        let failure = self.role.store.read().failure.clone();
        let why = failure.as_ref().map(|failure| format!(": {failure}")).unwrap_or_default();
        let fatal = Fatal::new(Exit::Unavailable, format!("no credentials within {span} s{why}"));
        match failure.and_then(|failure| failure.hint) {
            Some(hint) => fatal.hint(hint),
            None => fatal.hint("ready_timeout says how long to wait"),
        }
    }

    pub(super) fn facts(&self, settings: &Settings) -> Facts {
        role::facts(settings, active(settings), &self.key, self.since)
    }

    /// Judges requests by the settings and sockets as they are now.
    pub(super) fn renew_terms(&self) {
        let bound = self.listeners.addresses().into_iter().map(|address| address.ip());
        self.site.terms.send_replace(Terms {
            options: self.settings.imds,
            names: HostNames::new(bound, self.settings.hosts.iter().cloned()),
        });
    }
}

/// The active role; settings are never without one.
pub(super) fn active(settings: &Settings) -> &RoleSettings {
    let [role, ..] = settings.roles.as_slice() else {
        unreachable!("settings name at least one role")
    };
    role
}

fn site(role: &Role, clock: &Arc<dyn Clock>, key: &KeyBytes, terms: Terms) -> Site {
    let bell = role.bell.clone();
    Site {
        terms: watch::Sender::new(terms),
        foreign: ForeignNames::default(),
        key: TokenKey::new(key, &identity::boot_id()),
        store: Arc::clone(&role.store),
        clock: Arc::clone(clock),
        demand: Box::new(move |now| bell.demand(now)),
        nonce: AtomicU64::new(identity::nonce()),
    }
}

fn refused(refusal: &Failure) -> Fatal {
    let fatal = Fatal::new(Exit::Refused, refusal.to_string());
    match &refusal.hint {
        Some(hint) => fatal.hint(hint),
        None => fatal,
    }
}

fn nobody_waits() -> Fatal {
    Fatal::new(Exit::Unavailable, "whoever started this gave up waiting")
}
