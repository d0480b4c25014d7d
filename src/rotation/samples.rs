//! Credentials made up for the tests of rotation.

use std::time::Duration;

use jiff::Timestamp;

use crate::clock::{self, BootTime, Now};
use crate::credentials::{Credentials, Grant};
use crate::secret::Secret;

/// The moment at which `boot` has passed since every test began.
pub(super) fn moment(boot: Duration) -> Now {
    Now { wall: clock::later(beginning(), boot), boot: BootTime::from_boot(boot) }
}

fn beginning() -> Timestamp {
    Timestamp::from_second(1_767_225_600).unwrap()
}

/// The set of this number: its parts tell where they belong.
pub(super) fn set(number: u64, expiration: Timestamp) -> Credentials {
    let key = format!("ASIA{number:016}");
    let secret = Secret::new(format!("secret-{number}"));
    let session_token = Secret::new(format!("session-{number}"));
    Credentials::new(key, secret, session_token, expiration).unwrap()
}

/// What STS answers at `now` by its own clock: whole seconds, as on the wire.
pub(super) fn grant(number: u64, now: Timestamp, life: Duration) -> Grant {
    let whole = |time: Timestamp| Timestamp::from_second(time.as_second()).unwrap();
    Grant {
        credentials: set(number, whole(clock::later(now, life))),
        date: Some(whole(now)),
        account: None,
        role_arn: None,
    }
}
