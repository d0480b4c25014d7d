//! The two items of `tokio-util` that the rotation uses, on Shuttle's primitives.

pub mod sync {
    use std::sync::Arc;

    use tokio::sync::watch;

    /// Cancelled once, for all clones.
    #[derive(Debug, Clone)]
    pub struct CancellationToken(Arc<watch::Sender<bool>>);

    impl Default for CancellationToken {
        fn default() -> Self {
            Self(Arc::new(watch::channel(false).0))
        }
    }

    impl CancellationToken {
        #[must_use]
        pub fn new() -> Self {
            Self::default()
        }

        pub fn cancel(&self) {
            self.0.send_replace(true);
        }

        pub async fn cancelled(&self) {
            let mut cancelled = self.0.subscribe();
            let _ = cancelled.wait_for(|cancelled| *cancelled).await;
        }
    }
}

pub mod task {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use tokio::task::{JoinError, JoinHandle};

    /// A task that ends with its handle.
    #[derive(Debug)]
    pub struct AbortOnDropHandle<T>(JoinHandle<T>);

    impl<T> AbortOnDropHandle<T> {
        #[must_use]
        pub fn new(handle: JoinHandle<T>) -> Self {
            Self(handle)
        }
    }

    impl<T> Drop for AbortOnDropHandle<T> {
        fn drop(&mut self) {
            self.0.abort();
        }
    }

    impl<T> Future for AbortOnDropHandle<T> {
        type Output = Result<T, JoinError>;

        fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
            Pin::new(&mut self.0).poll(context)
        }
    }
}
