//! What the socket needs of the daemon, as a trait.

use std::future::Future;
use std::pin::Pin;

use super::chronicle::Reader;
use super::consumer::{Listed, Minted, Peer, Wanted};
use super::refusal::Refusal;
use crate::credentials::Credentials;
use crate::secret::Secret;
use crate::status::Status;

/// What comes of an order that takes its time.
pub type Pending<T> = Pin<Box<dyn Future<Output = Result<T, Refusal>> + Send>>;

/// What a human hands in.
#[derive(Debug, Clone)]
pub enum Gift {
    /// An MFA code.
    Code(Secret),
    /// The response of an identity provider.
    Assertion(Secret),
}

impl Gift {
    fn secret(&self) -> &str {
        match self {
            Self::Code(text) | Self::Assertion(text) => text.expose(),
        }
    }
}

impl PartialEq for Gift {
    fn eq(&self, other: &Self) -> bool {
        let alike = matches!(self, Self::Code(_)) == matches!(other, Self::Code(_));
        alike && self.secret() == other.secret()
    }
}

impl Eq for Gift {}

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

    /// The machine goes to sleep: locks where the settings ask for it, and says whether
    /// it did.
    ///
    /// # Errors
    /// As [`Self::lock`].
    fn suspend(&self) -> Result<bool, Refusal>;

    /// Serves again, with credentials that are assumed anew.
    ///
    /// # Errors
    /// Where the mark of the lock cannot be removed.
    fn unlock(&self) -> Result<(), Refusal>;

    /// Takes what was waited for, and waits for what an attempt with it comes to.
    fn hand_in(&self, role: Option<&str>, gift: Gift) -> Pending<()>;

    /// What is served, or what the next attempt brings.
    fn credentials(&self, role: Option<&str>) -> Pending<Credentials>;

    /// Everybody who may ask the container endpoint.
    fn consumers(&self) -> Vec<Listed>;

    /// Makes a consumer of the container endpoint; a process is the peer's own.
    fn mint(&self, wanted: Wanted, peer: Peer) -> Pending<Minted>;

    /// Has listeners without a role of their own serve this one; tells its name.
    /// Refused where there is no such role, or it is protected.
    fn activate(&self, role: &str) -> Pending<String>;

    /// What happened of late, and what happens from now on.
    fn events(&self) -> Reader;

    /// Ends a consumer at once.
    fn revoke(&self, name: &str) -> Pending<()>;
}
