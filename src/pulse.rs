//! Whether a loop still turns: whoever watches asks, and the loop answers
//! between two events.
//!
//! Shared by all who have such a loop, and knows none of them. Without anybody
//! who asks, it wakes nobody.

use std::sync::Arc;

use tokio::sync::Notify;

/// The pulse of one loop; clones feel the same one.
#[derive(Debug, Clone, Default)]
pub struct Pulse(Arc<Beat>);

#[derive(Debug, Default)]
struct Beat {
    asked: Notify,
    answered: Notify,
}

impl Pulse {
    /// Waits for the loop to answer; for ever, where it hangs.
    pub async fn feel(&self) {
        self.0.asked.notify_one();
        self.0.answered.notified().await;
    }

    /// The loop's part, among the events that it waits for: ends when it was asked, and has answered.
    pub async fn beat(&self) {
        self.0.asked.notified().await;
        self.0.answered.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::yield_now;

    use super::*;

    #[tokio::test]
    async fn a_loop_that_hangs_has_no_pulse() {
        let pulse = Pulse::default();
        let mut feeling = std::pin::pin!(pulse.feel());
        tokio::select! {
            biased;
            () = &mut feeling => panic!("nobody answered"),
            () = yield_now() => {}
        }
        pulse.beat().await;
        feeling.await;
    }
}
