//! Where the secrets of consumers are drawn, and where their digests are kept.

use std::io;

use zeroize::Zeroizing;

use super::identity;
use super::private::{PrivateFile, Unfit};
use crate::clock::Now;
use crate::container::Consumers;
use crate::container::port::Vault;

/// Its name in the state directory.
pub const LEDGER: &str = "consumers.json";

/// A ledger in the state directory, or none where there is no such directory.
#[derive(Debug)]
pub struct Safe(Option<PrivateFile>);

impl Safe {
    /// With this file, which need not exist yet.
    #[must_use]
    pub const fn new(ledger: Option<PrivateFile>) -> Self {
        Self(ledger)
    }

    /// The consumers of an earlier run.
    ///
    /// # Errors
    /// Where the ledger is damaged or not ours. It is left alone, for whoever
    /// changed it should know.
    pub fn consumers(&self, now: Now) -> Result<Consumers, Unfit> {
        let Some(file) = &self.0 else { return Ok(Consumers::default()) };
        let Some(text) = file.read()? else { return Ok(Consumers::default()) };
        Consumers::from_ledger(&text, now).map_err(|illegible| file.unfit(illegible.to_string()))
    }
}

impl Vault for Safe {
    fn draw(&self) -> Zeroizing<[u8; 32]> {
        let mut bits = Zeroizing::new([0; 32]);
        identity::random(bits.as_mut());
        bits
    }

    fn keep(&self, ledger: &str) -> io::Result<()> {
        let none = || io::Error::other("there is no state directory to keep it in");
        self.0.as_ref().ok_or_else(none)?.replace(ledger.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, SystemClock};
    use crate::container::{Order, Place};

    #[test]
    fn consumers_outlive_a_restart_and_a_damaged_ledger_is_left_alone() {
        let home = tempfile::tempdir().unwrap();
        let file = PrivateFile::new(home.path().join(LEDGER));
        let safe = Safe::new(Some(file.clone()));
        let now = SystemClock.now();
        assert!(safe.consumers(now).unwrap().is_empty());
        let mut consumers = Consumers::default();
        let (name, place) = ("ci".parse().unwrap(), Place::Authorization);
        let (role, narrowing) = ("dev".into(), None);
        let order = Order { name, role, place, lifetime: None, kept: true, narrowing };
        let secret = consumers.mint(order, &safe.draw(), now).unwrap();
        safe.keep(&consumers.ledger(now)).unwrap();
        let read = safe.consumers(now).unwrap();
        assert!(read.authorise(secret.expose().as_bytes(), place, now).is_some());

        file.replace(b"{").unwrap();
        let told = safe.consumers(now).unwrap_err().to_string();
        assert!(told.ends_with("it is not JSON"), "{told}");
        assert_eq!(file.read().unwrap().unwrap(), "{");
    }

    #[test]
    fn no_secret_is_drawn_twice_and_without_a_file_nothing_is_kept() {
        let safe = Safe::new(None);
        assert_ne!(safe.draw(), safe.draw());
        assert!(safe.consumers(SystemClock.now()).unwrap().is_empty());
        assert!(safe.keep("{}").is_err());
    }
}
