//! From the text that a pod shows to claims that count: the checks of one token in their order,
//! and what is remembered of earlier ones.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::answer::View;
use super::invalid_tokens::InvalidTokens;
use super::keyring::Verdict;
use super::refusal::Refusal;
use super::token::Token;
use super::verified_tokens::{MAX_REMEMBERED, Verified, VerifiedTokens};
use crate::clock::BootTime;
use crate::container::digest::Digest;

/// What is remembered of the tokens that were shown; bounded, and nothing of it is secret.
#[derive(Debug, Default)]
pub struct TokenHistory(Mutex<History>);

#[derive(Debug, Default)]
struct History {
    verified: VerifiedTokens,
    invalid: InvalidTokens,
}

/// What a token is worth that is not refused.
pub(super) enum Outcome {
    /// A key of its issuer signed it, and it is the time for it.
    Valid(Verified),
    /// The keys of this issuer are missing, or others than the token names.
    MissingKeys(String),
}

/// Why a token is refused, and how many signature checks that took.
struct Invalid(Refusal, u32);

impl From<Refusal> for Invalid {
    fn from(refusal: Refusal) -> Self {
        Self(refusal, 0)
    }
}

impl TokenHistory {
    fn lock(&self) -> MutexGuard<'_, History> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A token that the present keys of its issuer are known to have signed.
    fn remembered(&self, token: &Digest, view: &View<'_>) -> Option<Verified> {
        let mut history = self.lock();
        let found = history.verified.find(token)?;
        let keys = (view.keys)(&found.claims.issuer);
        let counts = keys.is_some_and(|keys| keys.fingerprint == found.keys)
            && found.claims.check_times(view.now.wall).is_ok();
        if !counts {
            history.verified.remove(token);
        }
        counts.then_some(found)
    }

    fn allow(&self, source: IpAddr, now: BootTime) -> bool {
        self.lock().invalid.allow(source, now)
    }

    fn note_invalid(&self, checks: u32, view: &View<'_>) {
        self.lock().invalid.count(view.source, checks, view.now.boot);
    }

    /// A token that had to wait for keys was counted then.
    fn note_valid(&self, token: Option<Digest>, verified: &Verified, view: &View<'_>) {
        let mut history = self.lock();
        if view.has_fetched() {
            history.invalid.forgive(view.source);
        }
        if let Some(token) = token {
            history.verified.insert(token, verified.clone());
        }
    }
}

/// Judges a token. One that was valid a moment ago costs no signature check; any other is
/// looked at only if its source has not shown too many invalid ones (K9).
pub(super) fn verify(text: &[u8], view: &View<'_>) -> Result<Outcome, Refusal> {
    let digest = (text.len() <= MAX_REMEMBERED).then(|| Digest::of(text));
    if let Some(verified) = digest.and_then(|digest| view.history.remembered(&digest, view)) {
        return Ok(Outcome::Valid(verified));
    }
    if !view.history.allow(view.source, view.now.boot) {
        return Err(Refusal::TOO_MANY_REQUESTS);
    }
    let outcome = examine(text, view);
    match &outcome {
        Ok(Outcome::Valid(verified)) => view.history.note_valid(digest, verified, view),
        Ok(Outcome::MissingKeys(_)) => view.history.note_invalid(0, view),
        Err(Invalid(_, checks)) => view.history.note_invalid(*checks, view),
    }
    outcome.map_err(|Invalid(refusal, _)| refusal)
}

/// The checks themselves (K4), the cheap ones first.
fn examine(text: &[u8], view: &View<'_>) -> Result<Outcome, Invalid> {
    let token = Token::parse(text).map_err(Refusal::unreadable)?;
    token.claims.check_times(view.now.wall).map_err(Refusal::invalid_claims)?;
    let issuer = &token.claims.issuer;
    if !view.rules.iter().any(|rule| rule.issuer == *issuer) {
        return Err(Refusal::UNKNOWN_ISSUER.into());
    }
    let missing = || Ok(Outcome::MissingKeys(issuer.clone()));
    let Some(keys) = (view.keys)(issuer) else {
        return if view.fetches { missing() } else { Err(Refusal::NO_KEYS.into()) };
    };
    match keys.judge(&token) {
        Verdict::UnknownKey if view.fetches => missing(),
        Verdict::UnknownKey => Err(Refusal::FORGED.into()),
        Verdict::Forged(checks) => Err(Invalid(Refusal::FORGED, checks)),
        Verdict::Genuine => {
            let claims = Arc::new(token.claims);
            Ok(Outcome::Valid(Verified { claims, keys: keys.fingerprint }))
        }
    }
}
