//! The time that requests are signed for.
//!
//! STS refuses signatures older than some minutes (A14), and our wall clock may
//! be off by hours. What a refused signature's `Date` says is then counted on
//! by the boot clock, which nobody sets, so the next attempt succeeds and goes
//! on succeeding when the wall clock is put right. The SDK's own correction is
//! off: it believes every `Date`, and one that lies would spoil the next call.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use aws_smithy_async::time::TimeSource;
use jiff::{SignedDuration, Timestamp};

use crate::clock::{self, BootTime, Clock};

/// Below this, two clocks agree well enough for a signature.
const TOLERATED: SignedDuration = SignedDuration::from_mins(4);

/// How far two clocks are apart (`ours` minus `theirs`), where that is too far.
pub(super) fn disagreement(ours: Timestamp, theirs: Timestamp) -> Option<SignedDuration> {
    let by = clock::difference(ours, theirs);
    (by.abs() > TOLERATED).then_some(by)
}

/// The wall clock, for whatever a base asks besides STS.
#[derive(Debug)]
pub(super) struct WallTime(pub(super) Arc<dyn Clock>);

impl TimeSource for WallTime {
    fn now(&self) -> SystemTime {
        self.0.now().wall.into()
    }
}

/// The wall clock, or the clock of STS where it has disagreed.
#[derive(Debug, Clone)]
pub(super) struct SigningTime {
    clock: Arc<dyn Clock>,
    /// What STS thought the time was, and when that was.
    learned: Arc<Mutex<Option<(Timestamp, BootTime)>>>,
}

impl SigningTime {
    /// Trusts the wall clock until it is taught otherwise.
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, learned: Arc::default() }
    }

    /// Takes `date` from the refusal of a signature.
    pub(super) fn learn(&self, date: Timestamp) {
        let now = self.clock.now();
        *self.learned() = disagreement(now.wall, date).map(|_| (date, now.boot));
    }

    fn learned(&self) -> MutexGuard<'_, Option<(Timestamp, BootTime)>> {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TimeSource for SigningTime {
    fn now(&self) -> SystemTime {
        let now = self.clock.now();
        let time = match *self.learned() {
            None => now.wall,
            Some((date, then)) => clock::later(date, now.boot.since(then)),
        };
        time.into()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::Now;

    const HOUR: SignedDuration = SignedDuration::from_hours(1);
    const NOON: Timestamp = Timestamp::constant(1_782_907_200, 0);

    #[derive(Debug)]
    struct Set(Mutex<Now>);

    impl Set {
        fn at(wall: Timestamp, boot: u64) -> Now {
            Now { wall, boot: BootTime::from_boot(Duration::from_secs(boot)) }
        }
    }

    impl Clock for Set {
        fn now(&self) -> Now {
            *self.0.lock().unwrap()
        }
    }

    #[test]
    fn what_is_learned_outlives_a_wall_clock_that_is_set() {
        // A14
        let clock = Arc::new(Set(Mutex::new(Set::at(NOON, 10))));
        let time = SigningTime::new(clock.clone());
        let reads = |time: &SigningTime| Timestamp::try_from(time.now()).unwrap();
        assert_eq!(reads(&time), NOON);
        time.learn(NOON + HOUR);
        assert_eq!(reads(&time), NOON + HOUR);
        *clock.0.lock().unwrap() = Set::at(NOON + HOUR * 5, 40);
        assert_eq!(reads(&time), NOON + HOUR + SignedDuration::from_secs(30));
        time.learn(NOON + HOUR * 5);
        assert_eq!(reads(&time), NOON + HOUR * 5, "the wall clock agrees, and is trusted again");
    }
}
