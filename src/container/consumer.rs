//! One consumer of the endpoint: its name, its role, and how long it counts.

use std::cell::Cell;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::clock::Now;
use crate::credentials::Validity;
use crate::role::Malformed;
use crate::sts::request::Narrowing;

/// What people call a consumer: 1 to 64 of `[A-Za-z0-9_+=,.@-]`, no dash first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConsumerName(String);

impl ConsumerName {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ConsumerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ConsumerName {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let wrong = |why| Malformed { expected: "a consumer's name", why };
        if !(1..=64).contains(&text.len()) {
            return Err(wrong("it has 1 to 64 characters"));
        }
        if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b)) {
            return Err(wrong("allowed are letters, digits and _+=,.@-"));
        }
        if text.starts_with('-') {
            return Err(wrong("it does not begin with a dash, for it would read as a flag"));
        }
        Ok(Self(text.to_owned()))
    }
}

/// Where a consumer shows its secret; shown elsewhere it is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In `Authorization`, for a path that names the role (S3).
    Authorization,
    /// In the path itself, for clients that send no `Authorization` with a
    /// relative URI: as the real agent has it (S9).
    Path,
}

impl Place {
    /// As it is kept and listed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Authorization => "authorization",
            Self::Path => "path",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        [Self::Authorization, Self::Path].into_iter().find(|place| place.as_str() == text)
    }
}

/// What is asked for when a consumer is to be.
#[derive(Debug, Clone)]
pub struct Order {
    /// What it is to be called.
    pub name: ConsumerName,
    /// The role it may have, by its name in the settings.
    pub role: Arc<str>,
    /// Where it will show its secret.
    pub place: Place,
    /// How long it counts; without one, until it is revoked.
    pub lifetime: Option<Duration>,
    /// Whether it outlives a restart of the daemon.
    pub kept: bool,
    /// What its session does less than the role's; without, it has the role's own.
    pub narrowing: Option<Narrowing>,
}

/// A consumer, without its secret.
#[derive(Debug, Clone)]
pub struct Consumer {
    /// What it is called.
    pub name: ConsumerName,
    /// The role it may have.
    pub role: Arc<str>,
    /// Where it shows its secret.
    pub place: Place,
    /// When it came to be.
    pub minted: Timestamp,
    /// When it ends, by both clocks; never, without one.
    pub validity: Option<Validity>,
    /// Whether it outlives a restart.
    pub kept: bool,
    /// Present where it has a session of its own, and none but that.
    pub narrowing: Option<Arc<Narrowing>>,
    pub(super) last_use: Cell<Option<Timestamp>>,
}

impl Consumer {
    pub(super) fn new(order: Order, now: Now) -> Self {
        let Order { name, role, place, lifetime, kept, narrowing } = order;
        let narrowing = narrowing.map(Arc::new);
        let validity = lifetime.map(|lifetime| Validity {
            expires: crate::clock::later(now.wall, lifetime),
            deadline: now.boot.plus(lifetime),
        });
        let last_use = Cell::new(None);
        Self { name, role, place, minted: now.wall, validity, kept, narrowing, last_use }
    }

    /// When it was last served, since this daemon started.
    #[must_use]
    pub const fn last_use(&self) -> Option<Timestamp> {
        self.last_use.get()
    }

    /// False once it has expired.
    #[must_use]
    pub fn counts(&self, now: Now) -> bool {
        self.validity.is_none_or(|validity| !validity.left(now).is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_be_typed_and_listed() {
        for good in ["ci", "exec-4711", "a", "team_blue@host", &"n".repeat(64)] {
            assert_eq!(good.parse::<ConsumerName>().unwrap().as_str(), good);
        }
        for bad in ["", "-a", "a b", "a/b", "läptop", "a\n", &"n".repeat(65)] {
            assert!(bad.parse::<ConsumerName>().is_err(), "{bad:?}");
        }
    }
}
