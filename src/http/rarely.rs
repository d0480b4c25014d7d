//! Saying a thing once in a while, however often it happens.

use std::sync::Mutex;
use std::time::Duration;

use crate::clock::BootTime;

/// How long the same thing is not worth another line at `warn`.
const QUIET: Duration = Duration::from_mins(1);

/// Lets one through each minute.
#[derive(Debug, Default)]
pub struct Rarely(Mutex<Option<BootTime>>);

impl Rarely {
    /// True where it was not said within the last minute.
    pub(super) fn again(&self, now: BootTime) -> bool {
        let Ok(mut last) = self.0.lock() else { return false };
        let due = last.is_none_or(|last| now.since(last) >= QUIET);
        if due {
            *last = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_one_line_a_minute() {
        let rarely = Rarely::default();
        let at = |seconds| rarely.again(BootTime::from_boot(Duration::from_secs(seconds)));
        assert_eq!(
            [0, 1, 59, 60, 61, 119, 120].map(at),
            [true, false, false, true, false, false, true]
        );
    }
}
