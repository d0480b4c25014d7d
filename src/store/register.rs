//! Who may ask the container endpoint: one register, written by the owner,
//! read by every request.
//!
//! A request holds its lock for a lookup and nothing else. Whoever changes the
//! register waits for the disk without it, so a mint delays no reader, but may
//! block its own thread.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use thiserror::Error;

use crate::clock::Clock;
use crate::container::port::Vault;
use crate::container::{Consumer, ConsumerName, Consumers, Order, Turned};
use crate::secret::Secret;

/// All consumers, and where those that outlive a restart are kept.
#[derive(Debug)]
pub struct Register {
    consumers: Mutex<Consumers>,
    // Held while the ledger is written: an older one never follows a newer one.
    vault: Mutex<Box<dyn Vault>>,
    clock: Arc<dyn Clock>,
}

/// Why there is no new consumer.
#[derive(Debug, Error)]
pub enum Unminted {
    /// It was not made.
    #[error(transparent)]
    Turned(#[from] Turned),
    /// It would not have outlived a restart.
    #[error("cannot keep a consumer over a restart: {0}")]
    Unkept(io::Error),
}

impl Register {
    /// With the consumers of an earlier run.
    #[must_use]
    pub fn new(consumers: Consumers, vault: Box<dyn Vault>, clock: Arc<dyn Clock>) -> Self {
        Self { consumers: Mutex::new(consumers), vault: Mutex::new(vault), clock }
    }

    /// The consumers as they are; must not be kept across an await.
    pub fn read(&self) -> MutexGuard<'_, Consumers> {
        unpoisoned(&self.consumers)
    }

    /// Makes a consumer; only the caller has its secret afterwards. Blocks where it is kept.
    ///
    /// # Errors
    /// Where it cannot be made or kept; there is no such consumer then.
    pub fn mint(&self, order: Order) -> Result<Secret, Unminted> {
        let vault = unpoisoned(&self.vault);
        let (name, kept) = (order.name.clone(), order.kept);
        let secret = self.read().mint(order, &vault.draw(), self.clock.now())?;
        if kept && let Err(cause) = self.keep(&**vault) {
            self.read().revoke(&name);
            return Err(Unminted::Unkept(cause));
        }
        Ok(secret)
    }

    /// Ends a consumer at once; `None` where there is none of this name. Blocks where it was kept.
    ///
    /// # Errors
    /// Where that cannot be kept: the consumer is gone, but a restart would bring it back.
    pub fn revoke(&self, name: &ConsumerName) -> io::Result<Option<Consumer>> {
        let vault = unpoisoned(&self.vault);
        let gone = self.read().revoke(name);
        if gone.as_ref().is_some_and(|consumer| consumer.kept) {
            self.keep(&**vault)?;
        }
        Ok(gone)
    }

    /// Those who count, by their names.
    #[must_use]
    pub fn list(&self) -> Vec<Consumer> {
        self.read().list(self.clock.now())
    }

    fn keep(&self, vault: &dyn Vault) -> io::Result<()> {
        let ledger = self.read().ledger(self.clock.now());
        vault.keep(&ledger)
    }
}

/// No panic can leave a consumer half made, so none needs to end the endpoint.
fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;
    use crate::clock::SystemClock;
    use crate::container::Place;

    /// Counts what it draws, remembers what it keeps, and is full after `room` ledgers.
    #[derive(Debug, Default)]
    struct Shelf {
        room: usize,
        inside: Mutex<(u8, Vec<String>)>,
    }

    impl Vault for Arc<Shelf> {
        fn draw(&self) -> Zeroizing<[u8; 32]> {
            let mut inside = self.inside.lock().unwrap();
            inside.0 += 1;
            Zeroizing::new([inside.0; 32])
        }

        fn keep(&self, ledger: &str) -> io::Result<()> {
            let mut inside = self.inside.lock().unwrap();
            if inside.1.len() == self.room {
                return Err(io::Error::other("full"));
            }
            inside.1.push(ledger.to_owned());
            Ok(())
        }
    }

    fn register(room: usize) -> (Arc<Shelf>, Register) {
        let shelf = Arc::new(Shelf { room, ..Shelf::default() });
        let vault = Box::new(Arc::clone(&shelf));
        let register = Register::new(Consumers::default(), vault, Arc::new(SystemClock));
        (shelf, register)
    }

    fn order(name: &str, kept: bool) -> Order {
        let name = name.parse().unwrap();
        let place = Place::Authorization;
        Order { name, role: "dev".into(), place, lifetime: None, kept, narrowing: None }
    }

    fn names(register: &Register) -> Vec<String> {
        register.list().into_iter().map(|consumer| consumer.name.to_string()).collect()
    }

    #[test]
    fn only_what_is_kept_is_written_and_a_revocation_too() {
        let (shelf, register) = register(9);
        register.mint(order("kept", true)).unwrap();
        register.mint(order("passing", false)).unwrap();
        register.revoke(&"passing".parse().unwrap()).unwrap().unwrap();
        register.revoke(&"kept".parse().unwrap()).unwrap().unwrap();
        assert!(register.revoke(&"kept".parse().unwrap()).unwrap().is_none());
        let inside = shelf.inside.lock().unwrap();
        assert_eq!(inside.1.len(), 2);
        assert!(inside.1[0].contains("kept") && !inside.1[1].contains("kept"));
    }

    #[test]
    fn what_cannot_be_kept_is_not_made() {
        let (_, register) = register(1);
        register.mint(order("one", true)).unwrap();
        let refused = register.mint(order("two", true)).unwrap_err();
        assert_eq!(refused.to_string(), "cannot keep a consumer over a restart: full");
        assert_eq!(names(&register), ["one"]);
        assert!(register.revoke(&"one".parse().unwrap()).is_err(), "a restart would bring it back");
        assert!(names(&register).is_empty(), "but now it is gone");
    }
}
