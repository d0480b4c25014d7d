//! The keys of an issuer of pods' tokens.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock::Now;
use crate::container::pod::{IssuerKeys, Keyring};

/// How many keys of an issuer there are, and how old they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuerStatus {
    /// Its URL, as tokens name it.
    pub issuer: String,
    /// How many of its keys verify tokens now; 0 if they are too old.
    pub keys: usize,
    /// When the last successful attempt to fetch them began; absent if there was none.
    pub fetched: Option<Timestamp>,
}

impl IssuerStatus {
    /// That of these keys.
    #[must_use]
    pub fn new(issuer: &str, keys: &IssuerKeys, now: Now) -> Self {
        let age = keys.fetched.as_ref().map(|(_, fetched)| now.boot.since(*fetched));
        Self {
            issuer: issuer.to_owned(),
            keys: keys.usable(now.boot).map_or(0, Keyring::len),
            fetched: age.and_then(|age| now.wall.checked_sub(age).ok()),
        }
    }
}
