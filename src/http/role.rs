//! A role as connections see it: what is held, and a way to ask for more.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::patience::{PATIENCE, Patience, Wait};
use crate::clock::BootTime;
use crate::store::Store;

/// Tells rotation that nothing valid was found; returns how soon it tries.
pub type Demand = Arc<dyn Fn(BootTime) -> Duration + Send + Sync>;
/// Tells rotation that somebody found what he wanted.
pub type Interest = Arc<dyn Fn(BootTime) + Send + Sync>;

/// One role that is served.
#[derive(Clone)]
pub struct ServedRole {
    /// What users call it.
    pub name: Arc<str>,
    /// What is held.
    pub store: Arc<Store>,
    /// The way to rotation.
    pub demand: Demand,
    /// Keeps it from resting.
    pub interest: Interest,
}

impl ServedRole {
    /// For what comes of rotation, which is woken.
    pub(super) fn wait(self, now: BootTime) -> Wait {
        Wait { over: Box::pin(self.next_outcome(now)), left: Patience::NONE }
    }

    async fn next_outcome(self, now: BootTime) {
        let mut outcomes = self.store.subscribe();
        if (self.demand)(now) < PATIENCE {
            // Good or bad, the next answer tells it.
            let _ = tokio::time::timeout(PATIENCE, outcomes.changed()).await;
        }
    }
}

impl fmt::Debug for ServedRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServedRole").finish_non_exhaustive()
    }
}
