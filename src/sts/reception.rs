//! Where a human hands in what STS wants: MFA codes and SAML responses.
//!
//! Shared by all chains, and kept when they are made anew. What is handed in
//! serves one attempt; what that attempt did not use is dropped.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use zeroize::Zeroizing;

use super::command::CommandRunner;
use super::keepsake::Keepsake;
use super::mfa::MfaSessions;
use super::request::{MfaSerial, Need};
use crate::clock::Now;
use crate::command::StartCommand;
use crate::credentials::Validity;
use crate::failure::Failure;
use crate::role::{Malformed, RoleArn};
use crate::secret::Secret;

/// The desk. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct Reception {
    pub(super) sessions: MfaSessions,
    /// Who starts the commands that print what STS wants.
    pub(super) commands: Option<Arc<dyn StartCommand>>,
    assertions: Arc<Mutex<BTreeMap<String, Secret>>>,
}

impl Reception {
    /// The same, for chains whose commands are started there.
    #[must_use]
    pub fn with_commands(self, commands: Option<Arc<dyn StartCommand>>) -> Self {
        Self { commands, ..self }
    }

    /// Runs commands within this limit.
    #[must_use]
    pub fn runner(&self, limit: Duration) -> CommandRunner<'_> {
        CommandRunner { starter: self.commands.as_deref(), limit }
    }

    /// Takes a code; the next attempt that this device matters to sends it.
    ///
    /// # Errors
    /// Where it is no code, or has been sent before.
    pub fn code(&self, serial: &MfaSerial, code: &Secret) -> Result<(), Malformed> {
        self.sessions.hand_in(serial, code)
    }

    /// Takes the response of an identity provider; the next attempt sends it.
    pub fn assertion(&self, role: &RoleArn, response: Secret) {
        self.assertions().insert(role.as_str().to_owned(), response);
    }

    /// Drops what was handed in for this and not used. Tells why a code was of
    /// no use, where what is valid has hidden it.
    #[must_use = "a code may have been refused"]
    pub fn clear(&self, need: &Need) -> Option<Failure> {
        match need {
            Need::Code { serial, .. } => self.sessions.clear(serial),
            Need::Assertion(role) => {
                self.take_assertion(role);
                None
            }
            Need::Login { .. } => None,
        }
    }

    /// Forgets what humans gave, and what it opened.
    pub fn forget(&self) {
        self.sessions.forget_all();
        self.assertions().clear();
    }

    /// The sessions that codes have opened, by their devices, now and as they change.
    #[must_use]
    pub fn sessions(&self) -> watch::Receiver<BTreeMap<MfaSerial, Validity>> {
        self.sessions.opened()
    }

    /// What may outlive this process, now and as it changes.
    #[must_use]
    pub fn keepsake(&self) -> watch::Receiver<Keepsake> {
        self.sessions.kept().subscribe()
    }

    /// Goes on with what an earlier process left behind.
    pub fn restore(&self, keepsake: Keepsake) {
        self.sessions.restore(keepsake);
    }

    /// Takes every session out of this process's hands, as bytes from which [`Keepsake::decode`]
    /// makes them again; what was handed in and not used yet is dropped.
    #[must_use]
    pub fn take_sessions(&self, now: Now) -> Option<Zeroizing<Vec<u8>>> {
        let bytes = self.sessions.kept().borrow().encode(now);
        self.sessions.clear_secrets();
        self.assertions().clear();
        bytes
    }

    /// While the daemon is locked, nothing may outlive it.
    pub fn withhold(&self, withheld: bool) {
        self.sessions.kept().send_modify(|kept| kept.withheld = withheld);
    }

    pub(super) fn take_assertion(&self, role: &RoleArn) -> Option<Secret> {
        self.assertions().remove(role.as_str())
    }

    fn assertions(&self) -> MutexGuard<'_, BTreeMap<String, Secret>> {
        self.assertions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
