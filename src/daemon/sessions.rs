//! Sessions that may do less than their role: assumed for one consumer each,
//! rotated as long as it lives, served to it alone, and wiped with it.
//!
//! Nothing here waits, so that a lock has reached all of them when it returns.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::warn;

use super::role::{Makings, Role};
use crate::config::RoleSettings;
use crate::container::{Consumer, ConsumerName};
use crate::control::{Code, Refusal};
use crate::http::ContainerSite;
use crate::imds::Facts;
use crate::sts::request::{Narrowing, Unnarrowable};

/// Each has a timer and a task of its own.
const MOST: usize = 256;

/// All of them; clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Sessions(Arc<Inside>);

#[derive(Debug)]
struct Inside {
    site: Arc<ContainerSite>,
    makings: Makings,
    open: Mutex<Open>,
}

#[derive(Debug)]
struct Open {
    /// What they are narrowed from, by name.
    roles: BTreeMap<String, (RoleSettings, Facts)>,
    sessions: BTreeMap<ConsumerName, Session>,
    locked: bool,
}

#[derive(Debug)]
struct Session {
    narrowing: Arc<Narrowing>,
    role: Role,
}

/// Why there is no such session.
enum Unfit {
    Gone,
    Narrow(Unnarrowable),
}

impl From<Unnarrowable> for Unfit {
    fn from(why: Unnarrowable) -> Self {
        Self::Narrow(why)
    }
}

impl Sessions {
    /// None yet, and no role to narrow either: [`Self::follow`] names those.
    pub(super) fn new(site: Arc<ContainerSite>, makings: Makings) -> Self {
        let (roles, sessions) = (BTreeMap::new(), BTreeMap::new());
        let open = Open { roles, sessions, locked: false };
        Self(Arc::new(Inside { site, makings, open: Mutex::new(open) }))
    }

    /// Whether a session of this role and kind could be had.
    pub(super) fn judge(&self, role: &str, narrowing: &Narrowing) -> Result<(), Refusal> {
        let open = self.open();
        if open.sessions.len() >= MOST {
            return Err(Refusal::new(
                Code::Unavailable,
                format!("there are {MOST} sessions of their own already"),
            )
            .hint("each ends with its command"));
        }
        open.narrowed(role, narrowing).map(drop).map_err(|unfit| unfit.refusal(role))
    }

    /// Those of an earlier run are had again.
    pub(super) fn restore(&self, consumers: &[Consumer]) {
        for consumer in consumers {
            if let Some(narrowing) = &consumer.narrowing
                && let Err(unfit) =
                    self.begin(&consumer.name, &consumer.role, Arc::clone(narrowing))
            {
                unfit.tell(&consumer.name);
            }
        }
    }

    /// Has one for this consumer, and waits for what comes of it.
    pub(super) async fn assume(
        &self,
        consumer: &ConsumerName,
        role: &str,
        narrowing: Narrowing,
    ) -> Result<(), Refusal> {
        let begun = self.begin(consumer, role, Arc::new(narrowing));
        begun.map_err(|unfit| unfit.refusal(role))?;
        let bell = self.open().sessions.get(consumer).map(|session| session.role.bell.clone());
        if let Some(bell) = bell {
            bell.outcome(|_| 0).await;
        }
        let open = self.open();
        let session = open.sessions.get(consumer).map(|session| session.role.store.read());
        match session {
            Some(state) if state.snapshot.is_some() => Ok(()),
            Some(state) if state.locked => Err(Refusal::locked()),
            Some(state) => Err(state.failure.as_ref().map_or_else(ended, Refusal::from)),
            None => Err(ended()),
        }
    }

    /// Wipes the one of this consumer, if it has one.
    pub(super) fn end(&self, consumer: &ConsumerName) {
        let gone = self.open().sessions.remove(consumer);
        if let Some(Session { role, .. }) = gone {
            self.0.site.sessions.send_modify(|served| drop(served.remove(consumer)));
            role.dismiss();
        }
    }

    /// Wipes all that they hold, until it is unlocked.
    pub(super) fn lock(&self) {
        self.each(true, Role::lock);
    }

    /// Each is assumed anew.
    pub(super) fn unlock(&self) {
        self.each(false, Role::unlock);
    }

    /// These are the roles now: some may have gone, or are assumed otherwise.
    pub(super) fn follow(&self, roles: impl Iterator<Item = (RoleSettings, Facts)>) {
        let mut lost = Vec::new();
        {
            let mut open = self.open();
            open.roles = roles.map(|role| (role.0.name.clone(), role)).collect();
            let mut sessions = std::mem::take(&mut open.sessions);
            for (consumer, session) in &mut sessions {
                match open.narrowed(session.role.name(), &session.narrowing) {
                    Ok((role, facts)) => drop(session.role.change(role, facts)),
                    Err(unfit) => lost.push((consumer.clone(), unfit)),
                }
            }
            open.sessions = sessions;
        }
        for (consumer, unfit) in lost {
            self.end(&consumer);
            unfit.tell(&consumer);
        }
    }

    fn begin(
        &self,
        consumer: &ConsumerName,
        role: &str,
        narrowing: Arc<Narrowing>,
    ) -> Result<(), Unfit> {
        let mut open = self.open();
        let (role, facts) = open.narrowed(role, &narrowing)?;
        let makings = self.0.makings.clone().of(consumer.as_str());
        let role = Role::new(role, facts, makings, None);
        if open.locked {
            role.lock();
        }
        let served = role.served();
        self.0.site.sessions.send_modify(|all| drop(all.insert(consumer.clone(), served)));
        let before = open.sessions.insert(consumer.clone(), Session { narrowing, role });
        drop(open);
        if let Some(Session { role, .. }) = before {
            role.dismiss();
        }
        Ok(())
    }

    fn each(&self, locked: bool, order: impl Fn(&Role)) {
        let mut open = self.open();
        open.locked = locked;
        open.sessions.values().for_each(|session| order(&session.role));
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn narrowed(&self, role: &str, narrowing: &Narrowing) -> Result<(RoleSettings, Facts), Unfit> {
        let (role, facts) = self.roles.get(role).ok_or(Unfit::Gone)?;
        let source = role.source.narrowed(narrowing)?;
        Ok((RoleSettings { source, ..role.clone() }, facts.clone()))
    }
}

impl Unfit {
    fn refusal(self, role: &str) -> Refusal {
        match self {
            Self::Gone => Refusal::new(Code::NoSuchName, format!("no role {role} here any more")),
            Self::Narrow(why) => Refusal::unnarrowable(role, why),
        }
    }

    fn tell(&self, consumer: &ConsumerName) {
        let (why, hint) = match self {
            Self::Gone => ("its role is not served any more".to_owned(), None),
            Self::Narrow(why) => (why.to_string(), Some(why.hint())),
        };
        warn!(event = "narrowed", %consumer, hint, "a consumer lost its session: {why}");
    }
}

fn ended() -> Refusal {
    Refusal::new(Code::Unavailable, "it was revoked before its credentials came")
}
