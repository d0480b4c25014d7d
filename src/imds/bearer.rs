//! What a request brings in place of a name: a metadata token, or none.

use super::options::HttpTokens;
use super::request::Field;
use super::status::Status;
use super::token::{Shown, TokenKey};
use crate::clock::BootTime;

/// What the metadata-token field of a request amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bearer {
    /// No field: IMDSv1.
    Nobody,
    /// Two fields, of which neither counts.
    Twofold,
    /// Expired, foreign or made up.
    Rejected,
    /// A valid one, with the whole seconds that are left of it.
    Holder(u32),
}

impl Bearer {
    /// Verifies what the field holds.
    pub(super) fn read(token: &Field<'_>, key: &TokenKey, shown: &Shown, now: BootTime) -> Self {
        match token {
            Field::Absent => Self::Nobody,
            Field::Many => Self::Twofold,
            Field::One(token) => {
                key.remaining_of(token, shown, now).map_or(Self::Rejected, Self::Holder)
            }
        }
    }

    /// What every reply to the holder of a valid token states (T18).
    pub(super) const fn remaining(self) -> Option<u32> {
        match self {
            Self::Holder(seconds) => Some(seconds),
            _ => None,
        }
    }

    /// Two tokens are a broken request, even if equal (T15).
    pub(super) const fn single(self) -> Result<(), Status> {
        match self {
            Self::Twofold => Err(Status::BadRequest),
            _ => Ok(()),
        }
    }

    /// Whether data may be read: a bad token is refused even where none is needed (T15, T17).
    pub(super) const fn admit(self, tokens: HttpTokens) -> Result<(), Status> {
        match (self, tokens) {
            (Self::Holder(_), _) | (Self::Nobody, HttpTokens::Optional) => Ok(()),
            _ => Err(Status::Unauthorized),
        }
    }
}
