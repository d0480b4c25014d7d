//! A future beside a busy one in the same task.
//!
//! A connection is woken for each request, and its time limits hardly ever: they
//! are polled when they were woken themselves, and not along with it.

use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};

/// Wakes the task, and remembers for whom.
struct Doorbell {
    rung: AtomicBool,
    /// A task that was spawned keeps its waker.
    task: OnceLock<Waker>,
}

impl Wake for Doorbell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        if let Some(task) = self.task.get() {
            task.wake_by_ref();
        }
    }
}

/// Waits for `future` in a task that is polled often for other reasons.
///
/// The task must be one that was spawned, and stay the same.
pub(super) async fn aside<T>(future: impl Future<Output = T>) -> T {
    let doorbell = Arc::new(Doorbell { rung: AtomicBool::new(true), task: OnceLock::new() });
    let waker = Waker::from(Arc::clone(&doorbell));
    let mut future = pin!(future);
    std::future::poll_fn(|context| {
        if !doorbell.rung.load(Ordering::Acquire) {
            return Poll::Pending;
        }
        doorbell.task.get_or_init(|| context.waker().clone());
        doorbell.rung.store(false, Ordering::Relaxed);
        let future: Pin<&mut _> = future.as_mut();
        future.poll(&mut Context::from_waker(&waker))
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn it_is_polled_when_it_was_woken_and_not_with_its_neighbour() {
        let polls = Arc::new(AtomicU32::new(0));
        let [busy, limit] = [(); 2].map(|()| Arc::new(Notify::new()));
        let (count, neighbour, reached) =
            (Arc::clone(&polls), Arc::clone(&busy), Arc::clone(&limit));
        let task = tokio::spawn(async move {
            let mut reached = pin!(reached.notified());
            let limit = aside(std::future::poll_fn(move |context| {
                count.fetch_add(1, Ordering::Relaxed);
                reached.as_mut().poll(context)
            }));
            let mut limit = pin!(limit);
            loop {
                tokio::select! {
                    biased;
                    () = neighbour.notified() => {}
                    () = limit.as_mut() => return,
                }
            }
        });
        for _ in 0..100 {
            busy.notify_one();
            tokio::task::yield_now().await;
        }
        assert_eq!(polls.load(Ordering::Relaxed), 1, "at first");
        limit.notify_one();
        task.await.unwrap();
        assert_eq!(polls.load(Ordering::Relaxed), 2, "and at the end");
    }
}
