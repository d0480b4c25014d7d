//! How many are connected at once, and the moment when many have gone.
//!
//! Connections beyond the cap wait in the kernel's queue; a client that shows
//! up later is served later, never refused (T22).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// From so many on, what they took is worth giving back when all have left.
const MANY: usize = 64;

/// Everybody who is connected, to all listeners together.
pub struct Crowd {
    permits: Arc<Semaphore>,
    present: AtomicUsize,
    most: AtomicUsize,
    dispersed: Box<dyn Fn() + Send + Sync>,
}

/// One who is connected, until this is dropped.
#[derive(Debug)]
pub(super) struct Presence {
    crowd: Arc<Crowd>,
    _permit: OwnedSemaphorePermit,
}

impl Crowd {
    /// At most `cap` at once; `dispersed` is called when many were there and the last has left.
    pub fn new(cap: usize, dispersed: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(cap)),
            present: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            dispersed: Box::new(dispersed),
        }
    }

    /// Waits for a place.
    pub(super) async fn enter(self: &Arc<Self>) -> Option<Presence> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.ok()?;
        let present = self.present.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(present, Ordering::Relaxed);
        Some(Presence { crowd: Arc::clone(self), _permit: permit })
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        // Each listener holds the place of the next one who comes.
        let left = self.crowd.present.fetch_sub(1, Ordering::Relaxed) - 1;
        if left * MANY <= self.crowd.most.load(Ordering::Relaxed) {
            let most = self.crowd.most.swap(left, Ordering::Relaxed);
            if most >= MANY {
                (self.crowd.dispersed)();
            }
        }
    }
}

impl std::fmt::Debug for Crowd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Crowd").field("present", &self.present).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn gather(crowd: &Arc<Crowd>, count: usize) -> Vec<Presence> {
        let mut all = Vec::new();
        for _ in 0..count {
            all.push(crowd.enter().await.unwrap());
        }
        all
    }

    #[tokio::test]
    async fn only_a_crowd_that_has_left_is_told_and_once() {
        let told = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&told);
        let crowd = Arc::new(Crowd::new(1000, move || {
            count.fetch_add(1, Ordering::Relaxed);
        }));
        let _waiting = crowd.enter().await;
        drop(gather(&crowd, 40).await);
        assert_eq!(told.load(Ordering::Relaxed), 0, "too few");
        let many = gather(&crowd, 200).await;
        assert_eq!(told.load(Ordering::Relaxed), 0, "still there");
        drop(many);
        assert_eq!(told.load(Ordering::Relaxed), 1);
        drop(gather(&crowd, 10).await);
        assert_eq!(told.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn beyond_the_cap_one_waits() {
        let crowd = Arc::new(Crowd::new(1, || {}));
        let first = crowd.enter().await.unwrap();
        let mut second = std::pin::pin!(crowd.enter());
        let early = tokio::time::timeout(std::time::Duration::ZERO, second.as_mut()).await;
        assert!(early.is_err());
        drop(first);
        assert!(second.await.is_some());
    }
}
