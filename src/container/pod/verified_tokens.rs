//! Tokens whose signature was checked a moment ago, so that it need not be checked again.
//!
//! Only the check of the signature is spared: times, key set and rules are judged anew for each
//! request.

use std::collections::HashMap;
use std::sync::Arc;

use super::claims::Claims;
use crate::container::digest::Digest;

/// Half of the tokens that are remembered.
const HALF: usize = 2048;
/// Bytes of a token that may be remembered; it has more than its claims. Longer ones are checked each time.
pub(super) const MAX_REMEMBERED: usize = 4096;

/// What a valid token said, and which key set proved it.
#[derive(Debug, Clone)]
pub(super) struct Verified {
    pub(super) claims: Arc<Claims>,
    /// The fingerprint of the key set.
    pub(super) keys: Digest,
}

/// By the digests of the whole tokens. What was not shown for longest is forgotten: when one
/// half is full, it takes the place of the other.
#[derive(Debug, Default)]
pub(super) struct VerifiedTokens {
    recent: HashMap<Digest, Verified>,
    older: HashMap<Digest, Verified>,
}

impl VerifiedTokens {
    pub(super) fn find(&mut self, token: &Digest) -> Option<Verified> {
        if let Some(found) = self.recent.get(token) {
            return Some(found.clone());
        }
        let found = self.older.remove(token)?;
        self.insert(*token, found.clone());
        Some(found)
    }

    pub(super) fn insert(&mut self, token: Digest, verified: Verified) {
        if self.recent.len() >= HALF {
            self.older = std::mem::take(&mut self.recent);
        }
        self.recent.insert(token, verified);
    }

    pub(super) fn remove(&mut self, token: &Digest) {
        self.recent.remove(token);
        self.older.remove(token);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.recent.len() + self.older.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(number: u32) -> Digest {
        Digest::of(&number.to_le_bytes())
    }

    #[test]
    fn room_is_bounded_and_what_is_used_stays() {
        let claims: Claims = serde_json::from_str("{\"sub\": \"web\"}").unwrap();
        let verified = Verified { claims: Arc::new(claims), keys: digest(0) };
        let mut tokens = VerifiedTokens::default();
        for number in 1..20_000 {
            tokens.insert(digest(number), verified.clone());
            assert!(tokens.find(&digest(1)).is_some(), "{number}");
            assert!(tokens.len() <= 2 * HALF);
        }
        assert!(tokens.find(&digest(2)).is_none());
        assert!(tokens.find(&digest(19_999)).is_some());
        tokens.remove(&digest(1));
        assert!(tokens.find(&digest(1)).is_none());
    }
}
