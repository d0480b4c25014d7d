//! The alarm of systems without a timer that follows the wall clock.
//!
//! Tokio's timers stand still in suspend and do not see the clock being set,
//! so no sleep is longer than a slice, and after each the clocks are compared.

use std::io;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::clock::{self, Clock, Now, SystemClock};
use crate::rotation::port::{Alarm, Rang};

/// The longest sleep: how late a clock change may be noticed.
const SLICE: Duration = Duration::from_secs(15);

/// What scheduling and slewing may account for.
const TOLERANCE: Duration = Duration::from_secs(1);

/// An alarm on the wall clock.
#[derive(Debug)]
pub struct SlicedAlarm {
    seen: Now,
}

impl SlicedAlarm {
    /// Sets one up.
    ///
    /// # Errors
    /// None; the signature is that of the alarm of Linux.
    pub fn new() -> io::Result<Self> {
        let seen = SystemClock.now();
        Ok(Self { seen })
    }

    /// True where the clock changed since the last look.
    fn look(&mut self, slept: Duration) -> bool {
        let before = std::mem::replace(&mut self.seen, SystemClock.now());
        changed(before, self.seen, slept)
    }
}

impl Alarm for SlicedAlarm {
    async fn ring_at(&mut self, at: Option<Timestamp>) -> Rang {
        // Between two calls any time may pass: only a step of the wall clock tells.
        if self.look(Duration::MAX) {
            return Rang::ClockChanged;
        }
        loop {
            let left = at.map_or(SLICE, |at| clock::until(self.seen.wall, at));
            if left.is_zero() {
                return Rang::Due;
            }
            let slice = left.min(SLICE);
            tokio::time::sleep(slice).await;
            if self.look(slice) {
                return Rang::ClockChanged;
            }
        }
    }
}

/// True where the wall clock went its own way, or the sleep outlasted itself.
fn changed(before: Now, after: Now, slept: Duration) -> bool {
    let passed = after.boot.since(before.boot);
    let drift = clock::difference(after.wall, before.wall)
        - SignedDuration::try_from(passed).unwrap_or(SignedDuration::MAX);
    drift.unsigned_abs() > TOLERANCE || passed > slept.saturating_add(TOLERANCE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::BootTime;

    fn at(wall: i64, boot: u64) -> Now {
        Now {
            wall: Timestamp::from_second(wall).unwrap(),
            boot: BootTime::from_boot(Duration::from_secs(boot)),
        }
    }

    #[test]
    fn a_step_either_way_and_a_suspend_are_changes() {
        let before = at(100_000, 50);
        assert!(!changed(before, at(100_015, 65), SLICE));
        assert!(changed(before, at(107_215, 65), SLICE));
        assert!(changed(before, at(92_815, 65), SLICE));
        assert!(changed(before, at(110_000, 10_050), SLICE));
        assert!(!changed(before, at(110_000, 10_050), Duration::MAX));
        assert!(changed(before, at(110_000, 10_090), Duration::MAX));
    }

    #[tokio::test]
    async fn it_rings_when_the_moment_comes_and_not_before() {
        let mut alarm = SlicedAlarm::new().unwrap();
        let moment = clock::later(SystemClock.now().wall, Duration::from_millis(30));
        assert_eq!(alarm.ring_at(Some(moment)).await, Rang::Due);
        assert!(SystemClock.now().wall >= moment);
        assert_eq!(alarm.ring_at(Some(moment)).await, Rang::Due);
    }
}
