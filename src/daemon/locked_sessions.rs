//! MFA sessions while the daemon is locked.
//!
//! `assumed unlock` needs no new code, so they are kept: sealed, in memory that is not
//! mapped, where no address of this process leads.

use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing::warn;
use zeroize::Zeroizing;

use super::keeping;
use crate::clock::Now;
use crate::sts::{Keepsake, Reception};
use crate::sys::sealed;

/// The sessions, where the daemon is locked and had any.
#[derive(Debug, Default)]
pub(super) struct LockedSessions(Mutex<Option<Kept>>);

#[derive(Debug)]
enum Kept {
    Sealed(OwnedFd),
    /// Where the system has no such memory.
    InHeap(Zeroizing<Vec<u8>>),
}

impl LockedSessions {
    /// Takes what there is. What was taken before stays, if nothing came since.
    pub(super) fn take_from(&self, reception: &Reception, now: Now) {
        if let Some(bytes) = reception.take_sessions(now) {
            *self.kept() = Some(match sealed::seal(&bytes) {
                Ok(sealed) => Kept::Sealed(sealed),
                Err(_) => Kept::InHeap(bytes),
            });
        }
    }

    /// Gives back what has not ended meanwhile.
    pub(super) fn give_back(&self, reception: &Reception, now: Now) {
        let sessions = match self.kept().take() {
            None => return,
            Some(Kept::Sealed(sealed)) => keeping::restored(sealed, now),
            Some(Kept::InHeap(bytes)) => {
                Keepsake::decode(&bytes, now).map_err(|malformed| malformed.why.to_owned())
            }
        };
        match sessions {
            Ok(sessions) => reception.restore(sessions),
            Err(error) => warn!(event = "unlocked", error, "the MFA sessions are lost"),
        }
    }

    /// Drops them.
    pub(super) fn forget(&self) {
        *self.kept() = None;
    }

    fn kept(&self) -> MutexGuard<'_, Option<Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
