//! What the socket needs of the daemon, as a trait.

use std::future::Future;
use std::pin::Pin;

use super::consumer::{Listed, Minted, Peer, Wanted};
use super::refusal::Refusal;
use crate::credentials::Credentials;
use crate::status::Status;

/// What comes of an order that takes its time.
pub type Pending<T> = Pin<Box<dyn Future<Output = Result<T, Refusal>> + Send>>;

/// Whoever carries orders out.
///
/// A role is named as its user calls it; without a name the active one is meant.
pub trait Steer: Send + Sync + 'static {
    /// How everything stands.
    fn status(&self) -> Status;

    /// Rotates now, whatever the back-off, and waits for the outcome.
    fn refresh(&self, role: Option<&str>) -> Pending<()>;

    /// Reads the settings again; what is wrong with them leaves the old ones in force.
    /// Tells what changed.
    fn reload(&self) -> Pending<Vec<String>>;

    /// Begins to end the daemon, as SIGTERM does.
    fn stop(&self);

    /// Wipes every set and serves none; `forget` wipes what a human once entered, too.
    ///
    /// # Errors
    /// Where it would not last over a restart; it holds all the same.
    fn lock(&self, forget: bool) -> Result<(), Refusal>;

    /// Serves again, with credentials that are assumed anew.
    ///
    /// # Errors
    /// Where the mark of the lock cannot be removed.
    fn unlock(&self) -> Result<(), Refusal>;

    /// What is served, or what the next attempt brings.
    fn credentials(&self, role: Option<&str>) -> Pending<Credentials>;

    /// Everybody who may ask the container endpoint.
    fn consumers(&self) -> Vec<Listed>;

    /// Makes a consumer of the container endpoint; a process is the peer's own.
    fn mint(&self, wanted: Wanted, peer: Peer) -> Pending<Minted>;

    /// Ends a consumer at once.
    fn revoke(&self, name: &str) -> Pending<()>;
}
