//! What rotation needs of the world, as two traits.

use std::future::Future;
use std::pin::Pin;

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
