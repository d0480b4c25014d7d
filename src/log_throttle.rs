//! Bounds how often one kind of log line is written.
//!
//! For lines that a client can cause: a flood of refusals must not fill a disk or hide other
//! lines. Decides only when to write; what is written, and at which level, is the caller's.

use std::sync::Mutex;
use std::time::Duration;

use crate::clock::BootTime;

/// At most one line in this time.
const INTERVAL: Duration = Duration::from_mins(1);

/// Admits one log line a minute, and counts those that it suppresses.
#[derive(Debug, Default)]
pub struct LogThrottle(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    last: Option<BootTime>,
    suppressed: u64,
}

impl LogThrottle {
    /// Whether a line may be written at `now`: `Some` holds how many were suppressed since the
    /// last one, to be logged as `suppressed`.
    pub fn admit(&self, now: BootTime) -> Option<u64> {
        let mut state = self.0.lock().ok()?;
        if state.last.is_some_and(|last| now.since(last) < INTERVAL) {
            state.suppressed += 1;
            return None;
        }
        state.last = Some(now);
        Some(std::mem::take(&mut state.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_one_line_a_minute_that_counts_the_others() {
        let throttle = LogThrottle::default();
        let at = |seconds| throttle.admit(BootTime::from_boot(Duration::from_secs(seconds)));
        assert_eq!(
            [0, 1, 59, 60, 61, 119, 120, 300].map(at),
            [Some(0), None, None, Some(2), None, None, Some(2), Some(0)]
        );
    }
}
