//! The only place that reads a clock.
//!
//! Everything else is handed a [`Now`]. Two clocks matter: the wall clock, in
//! which STS states an expiration, and the boot clock, which counts through
//! suspend and which nobody can set (T13). Rules compare both, so
//! a wall clock that jumps neither prolongs nor cuts a life.

use std::time::Duration;

use jiff::Timestamp;

/// Time since the machine booted, suspend included (`CLOCK_BOOTTIME`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BootTime(Duration);

impl BootTime {
    /// A point this long after boot.
    #[must_use]
    pub const fn from_boot(elapsed: Duration) -> Self {
        Self(elapsed)
    }

    /// How long after boot this point lies.
    #[must_use]
    pub const fn since_boot(self) -> Duration {
        self.0
    }

    /// The later point, or the end of time where the sum does not fit.
    #[must_use]
    pub const fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span))
    }

    /// The time from `earlier` to here; zero where `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// One reading of both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// What the wall clock says; may be wrong, may jump.
    pub wall: Timestamp,
    /// What the boot clock says; only ever grows, at one pace.
    pub boot: BootTime,
}

/// Where the present comes from; tests bring their own.
pub trait Clock: Send + Sync + std::fmt::Debug + 'static {
    /// Reads both clocks.
    fn now(&self) -> Now;
}

/// The clocks of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Now {
        Now { wall: read_wall(), boot: read_boot() }
    }
}

#[allow(clippy::disallowed_methods)]
fn read_wall() -> Timestamp {
    Timestamp::now()
}

#[cfg(any(target_os = "linux", target_os = "android"))]
const BOOT_CLOCK: rustix::time::ClockId = rustix::time::ClockId::Boottime;
// On macOS this clock goes on while the machine sleeps; Linux's of the same name does not.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const BOOT_CLOCK: rustix::time::ClockId = rustix::time::ClockId::Monotonic;

fn read_boot() -> BootTime {
    BootTime(since_start(BOOT_CLOCK))
}

fn since_start(clock: rustix::time::ClockId) -> Duration {
    let read = rustix::time::clock_gettime(clock);
    let seconds = u64::try_from(read.tv_sec).unwrap_or_default();
    let nanos = u32::try_from(read.tv_nsec).unwrap_or_default();
    Duration::new(seconds, nanos)
}

/// `CLOCK_MONOTONIC`, for the one reader who asks for it: systemd.
#[must_use]
pub fn monotonic() -> Duration {
    since_start(rustix::time::ClockId::Monotonic)
}

/// The signed difference `a - b`, which a wrong clock can make of either sign.
#[must_use]
pub fn difference(a: Timestamp, b: Timestamp) -> jiff::SignedDuration {
    a.duration_since(b)
}

/// How long from `now` until `then`; zero where `then` is past.
#[must_use]
pub fn until(now: Timestamp, then: Timestamp) -> Duration {
    Duration::try_from(difference(then, now)).unwrap_or_default()
}

/// `from + span`, or the last representable moment.
#[must_use]
pub fn later(from: Timestamp, span: Duration) -> Timestamp {
    from.saturating_add(span).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boot_clock_only_grows() {
        let first = SystemClock.now().boot;
        assert!(SystemClock.now().boot >= first);
    }

    #[test]
    fn what_is_past_is_zero_away() {
        let now = Timestamp::UNIX_EPOCH;
        let then = later(now, Duration::from_secs(5));
        assert_eq!(until(now, then), Duration::from_secs(5));
        assert_eq!(until(then, now), Duration::ZERO);
        assert_eq!(later(Timestamp::MAX, Duration::from_secs(1)), Timestamp::MAX);
    }
}
