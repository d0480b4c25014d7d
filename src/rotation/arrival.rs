//! What a reply of STS is worth on the day it arrives.
//!
//! How long was it meant to live, when does it end by the boot clock, and is
//! there any life left in it? A set without life is a failure, and where the reply's own
//! `Date` shows that the clocks disagree, the failure says so (A14).

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::clock::{self, BootTime, Now};
use crate::credentials::{Grant, Validity};
use crate::failure::{Failure, Kind};

/// How far two clocks may differ before it is worth a word.
///
/// STS itself bears 15 minutes in signatures, other services bear 5 (A14).
const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// `Date` counts whole seconds: it may be this much older than it says.
const GRAIN: Duration = Duration::from_secs(1);

/// The life of the set as STS means it: by the reply's own `Date` where it has
/// one, since our wall clock may be wrong.
#[must_use]
pub fn life(grant: &Grant, now: Now) -> Duration {
    clock::until(grant.date.unwrap_or(now.wall), grant.credentials.expiration())
}

/// When the set ends by the boot clock, for an attempt begun at `since`.
///
/// A `Date` was written after the attempt began, so counting from there can
/// cut the life by the time the reply took, but never prolongs it.
#[must_use]
pub fn deadline(grant: &Grant, since: BootTime, now: Now) -> BootTime {
    let life = life(grant, now);
    match grant.date {
        Some(_) => since.plus(life.saturating_sub(GRAIN)),
        None => now.boot.plus(life),
    }
}

/// By how much our wall clock is wrong, as far as the reply can tell.
#[must_use]
pub fn skew(date: Option<Timestamp>, now: Now) -> Option<SignedDuration> {
    let skew = clock::difference(now.wall, date?);
    (skew.abs() > TOLERANCE).then_some(skew)
}

/// Lets a set pass that has any life left.
///
/// # Errors
/// [`Kind::WrongClock`] where it has none and the clocks disagree, else
/// [`Kind::Nonsense`].
pub fn judge(validity: Validity, date: Option<Timestamp>, now: Now) -> Result<(), Failure> {
    if !validity.left(now).is_zero() {
        return Ok(());
    }
    Err(match skew(date, now) {
        Some(skew) => wrong_clock(skew),
        None => Failure::new(Kind::Nonsense, "the credentials had expired when they came")
            .hint("look at the source: it gives what is past its expiration"),
    })
}

fn wrong_clock(skew: SignedDuration) -> Failure {
    let side = if skew.is_negative() { "behind" } else { "ahead of" };
    let by = SignedDuration::from_secs(skew.abs().as_secs());
    Failure::new(
        Kind::WrongClock(skew),
        format!("this machine's clock is {by:#} {side} that of STS"),
    )
    .hint("set the clock, and keep it set: timedatectl set-ntp true")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::Credentials;
    use crate::secret::Secret;

    const MINUTE: i64 = 60;

    fn at(wall: i64, boot: u64) -> Now {
        Now {
            wall: Timestamp::from_second(wall).unwrap(),
            boot: BootTime::from_boot(Duration::from_secs(boot)),
        }
    }

    fn grant(expires: i64, date: Option<i64>) -> Grant {
        Grant {
            credentials: Credentials::new(
                "ASIA".into(),
                Secret::new("s"),
                Secret::new("t"),
                Timestamp::from_second(expires).unwrap(),
            )
            .unwrap(),
            date: date.map(|date| Timestamp::from_second(date).unwrap()),
            account: None,
            role_arn: None,
        }
    }

    fn arrive(expires: i64, date: Option<i64>, now: Now) -> Result<Duration, Failure> {
        let grant = grant(expires, date);
        let validity = Validity {
            expires: grant.credentials.expiration(),
            deadline: deadline(&grant, now.boot, now),
        };
        judge(validity, grant.date, now).map(|()| validity.left(now))
    }

    #[test]
    fn a_wall_clock_that_is_behind_prolongs_nothing() {
        // Two hours behind: the wall clock alone would say three hours.
        let left = arrive(12_600, Some(9000), at(1800, 7)).unwrap();
        assert_eq!(left, Duration::from_secs(3599));
    }

    #[test]
    fn the_life_counts_from_the_start_of_the_attempt() {
        let now = at(1000, 90);
        let since = BootTime::from_boot(Duration::from_secs(50));
        let deadline = deadline(&grant(4600, Some(1000)), since, now);
        assert_eq!(deadline.since(since), Duration::from_secs(3599));
    }

    #[test]
    fn without_a_date_the_wall_clock_decides() {
        let left = arrive(4600, None, at(1000, 0)).unwrap();
        assert_eq!(left, Duration::from_hours(1));
        assert_eq!(arrive(1000, None, at(1000, 0)).unwrap_err().kind, Kind::Nonsense);
    }

    #[test]
    fn expired_on_arrival_is_nonsense_while_the_clocks_agree() {
        let failure = arrive(1000, Some(1030), at(1031, 0)).unwrap_err();
        assert_eq!(failure.kind, Kind::Nonsense);
        let backwards = arrive(2000, Some(2100), at(1990, 0)).unwrap_err();
        assert_eq!(backwards.kind, Kind::Nonsense);
    }

    #[test]
    fn a_wrong_clock_is_called_one_with_side_and_size() {
        let ahead = arrive(4600, Some(1000), at(1000 + 120 * MINUTE, 0)).unwrap_err();
        assert_eq!(ahead.kind, Kind::WrongClock(SignedDuration::from_hours(2)));
        assert_eq!(ahead.message, "this machine's clock is 2h ahead of that of STS");
        let behind = arrive(900, Some(1000), at(1000 - 6 * MINUTE, 0)).unwrap_err();
        assert_eq!(behind.kind, Kind::WrongClock(SignedDuration::from_mins(-6)));
        assert_eq!(behind.message, "this machine's clock is 6m behind that of STS");
    }

    #[test]
    fn five_minutes_are_no_skew_worth_a_word() {
        let date = Some(Timestamp::from_second(1000).unwrap());
        assert_eq!(skew(date, at(1000 + 5 * MINUTE, 0)), None);
        assert_eq!(skew(date, at(999 - 5 * MINUTE, 0)), Some(SignedDuration::from_secs(-301)));
        assert_eq!(skew(None, at(0, 0)), None);
    }
}
