//! What consumers need of the world, as a trait.

use std::fmt;
use std::io;

use zeroize::Zeroizing;

/// Whoever draws secrets and keeps what outlives a restart.
pub trait Vault: fmt::Debug + Send + Sync + 'static {
    /// 256 bits that nobody can guess.
    fn draw(&self) -> Zeroizing<[u8; 32]>;

    /// Puts this text in the place of the one before, whole or not at all.
    ///
    /// # Errors
    /// Where it cannot be kept; the one before stands then.
    fn keep(&self, ledger: &str) -> io::Result<()>;
}
