//! What one connection is doing: when its last request came, and whether one is in hand.
//!
//! Shared by the connection, which writes, and the connection limit, which reads it to find
//! connections that can be closed. One timer serves all requests of a connection: when it fires,
//! it looks whether a request came meanwhile. A head that trickles in does not count, only a
//! complete one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::{BootTime, Clock};

/// A head that does not end, or a connection that idles, is dropped after this (F19).
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// The activity of one connection.
#[derive(Debug)]
pub(super) struct ConnectionActivity {
    clock: Arc<dyn Clock>,
    accepted: BootTime,
    /// Nanoseconds since boot; 0 before the first request.
    last_request: AtomicU64,
    in_hand: AtomicBool,
}

/// A request that is waiting for its body or for credentials, until this is dropped.
#[derive(Debug)]
pub(super) struct InHand<'a>(&'a ConnectionActivity);

impl ConnectionActivity {
    /// Of a connection that is accepted now.
    pub(super) fn new(clock: &Arc<dyn Clock>) -> Self {
        let accepted = clock.now().boot;
        let (last_request, in_hand) = (AtomicU64::new(0), AtomicBool::new(false));
        Self { clock: Arc::clone(clock), accepted, last_request, in_hand }
    }

    /// The present, by the clock of the connection.
    pub(super) fn now(&self) -> BootTime {
        self.clock.now().boot
    }

    /// Notes that a complete head has come.
    pub(super) fn note_request(&self, now: BootTime) {
        self.last_request.store(nanos(now), Ordering::Relaxed);
    }

    /// Notes that a request cannot be answered at once.
    pub(super) fn hold(&self) -> InHand<'_> {
        self.in_hand.store(true, Ordering::Relaxed);
        InHand(self)
    }

    /// Whether a request is being waited for or answered.
    pub(super) fn is_in_hand(&self) -> bool {
        self.in_hand.load(Ordering::Relaxed)
    }

    /// Whether a complete head has come so far.
    pub(super) fn has_asked(&self) -> bool {
        self.last_request.load(Ordering::Relaxed) != 0 || self.is_in_hand()
    }

    /// When the last request came; before the first one, when the connection was accepted.
    pub(super) fn last(&self) -> BootTime {
        match self.last_request.load(Ordering::Relaxed) {
            0 => self.accepted,
            nanos => BootTime::from_boot(Duration::from_nanos(nanos)),
        }
    }

    /// Returns when no request has come for too long.
    pub(super) async fn idle_timeout(&self) {
        let mut left = IDLE_TIMEOUT;
        while !left.is_zero() {
            tokio::time::sleep(left).await;
            left = self.time_left(self.now());
        }
    }

    fn time_left(&self, now: BootTime) -> Duration {
        IDLE_TIMEOUT.saturating_sub(now.since(self.last()))
    }
}

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        self.0.in_hand.store(false, Ordering::Relaxed);
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
    fn f19_only_a_complete_head_restarts_the_idle_timeout() {
        let at = |millis| BootTime::from_boot(Duration::from_millis(millis));
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let activity = ConnectionActivity::new(&clock);
        activity.note_request(at(5_250));
        assert_eq!(activity.time_left(at(5_250)), IDLE_TIMEOUT);
        assert_eq!(activity.time_left(at(15_000)), Duration::from_millis(250));
        activity.note_request(at(15_000));
        assert_eq!(activity.time_left(at(15_250)), Duration::from_millis(9_750));
        assert_eq!(activity.time_left(at(25_000)), Duration::ZERO);
    }

    #[test]
    fn a_request_is_in_hand_until_it_is_answered() {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let activity = ConnectionActivity::new(&clock);
        assert!(!activity.has_asked() && !activity.is_in_hand());
        let held = activity.hold();
        assert!(activity.has_asked() && activity.is_in_hand());
        activity.note_request(BootTime::from_boot(Duration::from_secs(1)));
        drop(held);
        assert!(activity.has_asked() && !activity.is_in_hand());
    }
}
