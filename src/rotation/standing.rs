//! How a role stands at one moment, for those who ask; no secret, no decision.

use jiff::Timestamp;

/// How a role stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Phase {
    /// Nothing was ever held.
    #[default]
    Waiting,
    /// What is held is not yet due.
    Fresh,
    /// What is held is due, but valid.
    Stale,
    /// What was held has ended.
    Expired,
    /// Nothing valid is held, and STS said no.
    Refused,
    /// Somebody forbade it all.
    Locked,
}

/// A role's rotation at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// How it stands.
    pub phase: Phase,
    /// How many attempts have begun.
    pub attempts: u64,
    /// One of them is in flight.
    pub attempting: bool,
    /// Nobody asks for it, and no attempt begins before somebody does.
    pub resting: bool,
    /// When the next attempt begins; `None` while in flight, at rest or locked.
    pub next: Option<Timestamp>,
    /// How many failed in a row.
    pub failures: u32,
}

impl Standing {
    /// How many attempts have ended: who wants the outcome of one waits for this to grow.
    #[must_use]
    pub const fn landed(&self) -> u64 {
        self.attempts.saturating_sub(self.attempting as u64)
    }
}
