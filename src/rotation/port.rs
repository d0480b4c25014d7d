//! What rotation needs of the world, as traits.

use std::future::Future;
use std::pin::Pin;

use jiff::Timestamp;

use crate::credentials::{Grant, Snapshot};
use crate::failure::Failure;

/// The future of one attempt.
pub type Attempt = Pin<Box<dyn Future<Output = Result<Grant, Failure>> + Send>>;

/// Whoever can get credentials.
pub trait Assume: Send + Sync + 'static {
    /// One attempt, once; retries are rotation's affair.
    fn attempt(&self) -> Attempt;
}

/// Whoever shows the outcome to readers.
pub trait Publish: Send + Sync + 'static {
    /// Swaps a new generation in, atomically (C18). `grant` tells whose it is.
    fn publish(&self, snapshot: Snapshot, grant: &Grant);

    /// Notes a failed attempt; what is valid stays served.
    fn failed(&self, failure: &Failure);
}

/// Why an alarm rang.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rang {
    /// The moment has come.
    Due,
    /// The wall clock was set, or the machine woke from suspend.
    ClockChanged,
}

/// Whoever can wait for a moment of the wall clock, suspend included.
pub trait Alarm: Send + 'static {
    /// Rings at `at`, or when the clock changes; without `at` only then.
    ///
    /// Dropping the future disarms nothing and loses nothing: the next call
    /// replaces the moment and still tells of a change in between.
    fn ring_at(&mut self, at: Option<Timestamp>) -> impl Future<Output = Rang> + Send;
}
