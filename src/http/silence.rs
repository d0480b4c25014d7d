//! How long a connection may keep silent.
//!
//! One timer serves all requests of a connection: it is not set anew with each
//! of them, but looks when it goes off whether one came meanwhile. A head that
//! trickles breaks no silence, for only a whole one counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::{BootTime, Clock};

/// A head that does not end, or a connection that idles, is dropped after this (F19).
const LONGEST: Duration = Duration::from_secs(10);

/// The silence on one connection.
#[derive(Debug)]
pub(super) struct Silence {
    clock: Arc<dyn Clock>,
    since: AtomicU64,
}

impl Silence {
    /// Begins now.
    pub(super) fn new(clock: &Arc<dyn Clock>) -> Self {
        let since = AtomicU64::new(nanos(clock.now().boot));
        Self { clock: Arc::clone(clock), since }
    }

    /// Begins anew: a whole head has come.
    pub(super) fn is_broken(&self, now: BootTime) {
        self.since.store(nanos(now), Ordering::Relaxed);
    }

    /// Returns when it has lasted too long.
    pub(super) async fn ends(&self) {
        let mut left = LONGEST;
        while !left.is_zero() {
            tokio::time::sleep(left).await;
            left = self.left(self.clock.now().boot);
        }
    }

    fn left(&self, now: BootTime) -> Duration {
        let since = Duration::from_nanos(self.since.load(Ordering::Relaxed));
        LONGEST.saturating_sub(now.since(BootTime::from_boot(since)))
    }
}

/// Five centuries fit.
const fn nanos(time: BootTime) -> u64 {
    let since = time.since_boot();
    since.as_secs() * 1_000_000_000 + since.subsec_nanos() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    #[test]
    fn f19_only_a_whole_head_begins_it_anew() {
        let at = |millis| BootTime::from_boot(Duration::from_millis(millis));
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let silence = Silence::new(&clock);
        silence.is_broken(at(5_250));
        assert_eq!(silence.left(at(5_250)), LONGEST);
        assert_eq!(silence.left(at(15_000)), Duration::from_millis(250));
        silence.is_broken(at(15_000));
        assert_eq!(silence.left(at(15_250)), Duration::from_millis(9_750));
        assert_eq!(silence.left(at(25_000)), Duration::ZERO);
    }
}
