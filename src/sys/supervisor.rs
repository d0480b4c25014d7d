//! The service manager that started this process, and what it handed over.
//!
//! Read from the environment that was captured at the start. Nothing of it is
//! needed: without a service manager, everything here is empty.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::activation::{Activation, Unusable};
use super::notify::Notify;
use super::state::{KeyBytes, Trouble, read_passed_key};
use crate::environment::Environment;

/// The credential that is the key of metadata tokens.
const KEY: &str = "token-key";
/// The credential that is a shared credentials file.
const KEYS: &str = "aws-credentials";

/// What a service manager handed over.
#[derive(Debug, Default)]
pub struct Supervisor {
    /// Who wants to know how it goes.
    pub notify: Notify,
    /// Listeners that are open already.
    pub sockets: Activation,
    credentials: Option<PathBuf>,
}

/// Why what was handed over cannot be used.
#[derive(Debug, Error)]
pub enum Misfit {
    /// One of the sockets.
    #[error(transparent)]
    Socket(#[from] Unusable),
    /// The place for notifications.
    #[error("NOTIFY_SOCKET: {0}")]
    Notify(#[from] io::Error),
}

impl Misfit {
    /// What the reader can do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Socket(unusable) => unusable.hint(),
            Self::Notify(_) => "the service manager sets it; nobody else should",
        }
    }
}

impl Supervisor {
    /// Takes everything that is there; the sockets can be taken once.
    ///
    /// # Errors
    /// Where a socket cannot be served, or the service manager not be told.
    pub fn of(environment: &Environment) -> Result<Self, Misfit> {
        let sockets = Activation::take(environment)?;
        let notify = Notify::of(environment)?;
        Ok(Self { notify, sockets, credentials: directory(environment) })
    }

    /// The token key, where it was handed over.
    ///
    /// # Errors
    /// Where it is none.
    pub fn token_key(&self) -> Result<Option<KeyBytes>, Trouble> {
        let path = self.credentials.as_deref().map(|folder| folder.join(KEY));
        path.as_deref().filter(|path| path.exists()).map(read_passed_key).transpose()
    }
}

/// The shared credentials file, where it was handed over.
#[must_use]
pub fn base_keys(environment: &Environment) -> Option<PathBuf> {
    let path = directory(environment)?.join(KEYS);
    path.exists().then_some(path)
}

fn directory(environment: &Environment) -> Option<PathBuf> {
    environment.get("CREDENTIALS_DIRECTORY").map(Path::new).map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_that_was_handed_over_may_have_any_mode() {
        let room = tempfile::tempdir().unwrap();
        let environment =
            Environment::default().with("CREDENTIALS_DIRECTORY", room.path().to_str().unwrap());
        let supervisor = Supervisor::of(&environment).unwrap();
        assert!(supervisor.token_key().unwrap().is_none());
        assert!(base_keys(&environment).is_none());
        let path = room.path().join(KEY);
        fs::write(&path, [7; 32]).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o444)).unwrap();
        assert_eq!(*supervisor.token_key().unwrap().unwrap(), [7; 32]);
        fs::write(room.path().join(KEYS), "").unwrap();
        assert_eq!(base_keys(&environment), Some(room.path().join(KEYS)));
    }

    #[test]
    fn a_key_of_another_length_is_none() {
        let room = tempfile::tempdir().unwrap();
        fs::write(room.path().join(KEY), [7; 33]).unwrap();
        let environment =
            Environment::default().with("CREDENTIALS_DIRECTORY", room.path().to_str().unwrap());
        let told = Supervisor::of(&environment).unwrap().token_key().unwrap_err().to_string();
        assert!(told.ends_with("it should have 32 bytes"), "{told}");
    }
}
