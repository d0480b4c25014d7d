//! Temporary credentials, and the set that is being served.
//!
//! A [`Snapshot`] is one generation: complete, immutable, and valid only while
//! both clocks say so. Nothing here knows how it was obtained.

use std::time::Duration;

use jiff::Timestamp;
use thiserror::Error;

use crate::clock::{self, BootTime, Now};
use crate::role::{AccountId, RoleArn};
use crate::secret::Secret;

/// The three parts that STS hands out together, and when they end.
#[derive(Debug, Clone)]
pub struct Credentials {
    access_key_id: String,
    secret_access_key: Secret,
    session_token: Secret,
    expiration: Timestamp,
}

/// A set with a part missing; such a set is never published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("credentials without {0}")]
pub struct Hollow(&'static str);

impl Credentials {
    /// Takes the parts together.
    ///
    /// # Errors
    /// Where a part is empty or holds a control character.
    pub fn new(
        access_key_id: String,
        secret_access_key: Secret,
        session_token: Secret,
        expiration: Timestamp,
    ) -> Result<Self, Hollow> {
        let broken = |text: &str| text.is_empty() || text.bytes().any(|b| b.is_ascii_control());
        if broken(&access_key_id) {
            return Err(Hollow("an access key id"));
        }
        if broken(secret_access_key.expose()) {
            return Err(Hollow("a secret access key"));
        }
        if broken(session_token.expose()) {
            return Err(Hollow("a session token"));
        }
        Ok(Self { access_key_id, secret_access_key, session_token, expiration })
    }

    /// Names the key; not secret, but never logged either.
    #[must_use]
    pub fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    /// Signs requests.
    #[must_use]
    pub const fn secret_access_key(&self) -> &Secret {
        &self.secret_access_key
    }

    /// The third part, which makes the first two usable.
    #[must_use]
    pub const fn session_token(&self) -> &Secret {
        &self.session_token
    }

    /// When STS stops accepting them, by the wall clock of STS.
    #[must_use]
    pub const fn expiration(&self) -> Timestamp {
        self.expiration
    }
}

/// What one successful attempt brought home.
#[derive(Debug, Clone)]
pub struct Grant {
    /// The set itself.
    pub credentials: Credentials,
    /// The `Date` of the reply: what STS thought the time was.
    pub date: Option<Timestamp>,
    /// Whose credentials these are, where the source can tell.
    pub account: Option<AccountId>,
    /// The role behind them, where it was not known beforehand.
    pub role_arn: Option<RoleArn>,
}

/// When a set ends, by both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// By the wall clock of STS: `Expiration`.
    pub expires: Timestamp,
    /// By the boot clock, so that a wall clock set back prolongs nothing.
    pub deadline: BootTime,
}

impl Validity {
    /// The life still to run: the shorter of what the two clocks say.
    #[must_use]
    pub fn left(&self, now: Now) -> Duration {
        clock::until(now.wall, self.expires).min(self.deadline.since(now.boot))
    }
}

/// One generation of credentials, as published.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Counts up from 1 with each rotation.
    pub generation: u64,
    /// The set itself.
    pub credentials: Credentials,
    /// When it came, by our wall clock: `LastUpdated` (C17).
    pub obtained: Timestamp,
    /// When it ends by the boot clock, so that a wall clock set back prolongs nothing.
    pub deadline: BootTime,
}

impl Snapshot {
    /// When it ends, without the secrets.
    #[must_use]
    pub const fn validity(&self) -> Validity {
        Validity { expires: self.credentials.expiration, deadline: self.deadline }
    }

    /// The life still to run: the shorter of what the two clocks say.
    #[must_use]
    pub fn left(&self, now: Now) -> Duration {
        self.validity().left(now)
    }

    /// True while there is any life left.
    #[must_use]
    pub fn is_valid(&self, now: Now) -> bool {
        !self.left(now).is_zero()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn credentials(expiration: Timestamp) -> Credentials {
        Credentials::new("ASIA".into(), Secret::new("s"), Secret::new("t"), expiration).unwrap()
    }

    #[test]
    fn a_set_with_a_part_missing_is_refused() {
        let at = Timestamp::UNIX_EPOCH;
        let new = |id: &str, key: &str, token: &str| {
            Credentials::new(id.into(), Secret::new(key), Secret::new(token), at).err()
        };
        assert_eq!(new("", "s", "t"), Some(Hollow("an access key id")));
        assert_eq!(new("a", "", "t"), Some(Hollow("a secret access key")));
        assert_eq!(new("a", "s", ""), Some(Hollow("a session token")));
        assert_eq!(new("a\n", "s", "t"), Some(Hollow("an access key id")));
        assert_eq!(new("a", "s", "t"), None);
    }

    #[test]
    fn a_wall_clock_set_back_prolongs_nothing() {
        let start = Now { wall: Timestamp::UNIX_EPOCH, boot: BootTime::default() };
        let snapshot = Snapshot {
            generation: 1,
            credentials: credentials(clock::later(start.wall, HOUR)),
            obtained: start.wall,
            deadline: start.boot.plus(HOUR),
        };
        assert_eq!(snapshot.left(start), HOUR);
        let set_back = Now { wall: start.wall, boot: start.boot.plus(HOUR) };
        assert!(!snapshot.is_valid(set_back));
        let jumped = Now { wall: clock::later(start.wall, HOUR), boot: start.boot };
        assert!(!snapshot.is_valid(jumped));
    }
}
