//! What was asked, for tests to compare: the last requests, and how many there were.
//!
//! Holds no secret: of codes, assertions and tokens it says that they were
//! there, of keys their ids. Tokens and assertions have digests, by which a test
//! tells one from the next; a digest of six digits would be no secret kept.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ring::digest::{SHA256, digest};
use tokio::sync::watch;

use super::fault::Fault;
use super::form::{Parameters, REDACTED, hex_digits, is_secret};
use super::refusal::Code;

const KEPT: usize = 256;
const SHOWN: usize = 4096;
/// Of a SHA-256, in bytes.
const DIGEST: usize = 8;

/// One request, as far as it may be shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// As the request named it; empty where it named none.
    pub action: String,
    /// Secret ones by name only; without those of a signature in the query.
    pub parameters: BTreeMap<String, String>,
    /// Of each token and assertion, the first 16 hex digits of its SHA-256.
    pub digests: BTreeMap<String, String>,
    /// Who claims to have signed it.
    pub access_key_id: Option<String>,
    /// The Region that it was signed for.
    pub region: Option<String>,
    /// What was made to go wrong.
    pub fault: Option<Fault>,
    /// The error that was answered; `None` is a success, perhaps a spoilt one.
    pub refused: Option<Code>,
}

impl Asked {
    pub(super) fn of(parameters: &Parameters) -> Self {
        let shown = |(name, value): (&str, &str)| {
            let value = if is_secret(name) { REDACTED } else { value };
            let own = !name.starts_with("X-Amz-");
            own.then(|| (name.to_owned(), value.chars().take(SHOWN).collect()))
        };
        Self {
            action: parameters.get("Action").unwrap_or_default().to_owned(),
            parameters: parameters.iter().filter_map(shown).collect(),
            digests: parameters
                .iter()
                .filter(|(name, _)| is_secret(name) && *name != "TokenCode")
                .map(|(name, value)| (name.to_owned(), start_of_digest(value)))
                .collect(),
            ..Self::default()
        }
    }
}

fn start_of_digest(text: &str) -> String {
    let digest = digest(&SHA256, text.as_bytes());
    digest.as_ref().iter().take(DIGEST).copied().flat_map(hex_digits).collect()
}

/// The last requests, and the number of all.
#[derive(Debug)]
pub(super) struct Record {
    last: Mutex<VecDeque<Asked>>,
    by_action: Mutex<BTreeMap<String, u64>>,
    total: watch::Sender<u64>,
}

impl Record {
    pub(super) fn new() -> Self {
        Self { last: Mutex::default(), by_action: Mutex::default(), total: watch::Sender::new(0) }
    }

    pub(super) fn add(&self, asked: Asked) {
        let mut counts = locked(&self.by_action);
        // Names come from outside: so many and no more.
        if counts.len() < KEPT || counts.contains_key(&asked.action) {
            *counts.entry(asked.action.clone()).or_default() += 1;
        }
        drop(counts);
        let mut last = locked(&self.last);
        last.push_back(asked);
        if last.len() > KEPT {
            last.pop_front();
        }
        drop(last);
        self.total.send_modify(|total| *total += 1);
    }

    pub(super) fn last(&self) -> Vec<Asked> {
        locked(&self.last).iter().cloned().collect()
    }

    pub(super) fn count(&self, action: &str) -> u64 {
        locked(&self.by_action).get(action).copied().unwrap_or_default()
    }

    pub(super) fn counts(&self) -> BTreeMap<String, u64> {
        locked(&self.by_action).clone()
    }

    pub(super) fn total(&self) -> u64 {
        *self.total.borrow()
    }

    /// Waits until there have been so many requests in all.
    pub(super) async fn reached(&self, total: u64) {
        // The sender is ours, so this cannot fail while we are here.
        let _ = self.total.subscribe().wait_for(|count| *count >= total).await;
    }
}

/// A panic elsewhere leaves nothing half-done in here.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_assertions_and_tokens_are_not_kept() {
        let form = b"Action=A&TokenCode=123456&SAMLAssertion=x&WebIdentityToken=abc&X-Amz-Date=z\
            &ProvidedContexts.member.1.ContextAssertion=x";
        let asked = Asked::of(&Parameters::parse(form).unwrap());
        let shown = |name: &str| asked.parameters.get(name).map(String::as_str);
        assert_eq!((asked.action.as_str(), shown("Action")), ("A", Some("A")));
        for name in ["TokenCode", "SAMLAssertion", "ProvidedContexts.member.1.ContextAssertion"] {
            assert_eq!(shown(name), Some(REDACTED), "{name}");
        }
        // FIPS 180-4's own example.
        assert_eq!(asked.digests["WebIdentityToken"], "ba7816bf8f01cfea");
        assert_eq!(asked.digests.get("TokenCode"), None);
        assert_eq!(shown("X-Amz-Date"), None);
    }

    #[test]
    fn the_oldest_requests_are_forgotten_but_still_counted() {
        let record = Record::new();
        for n in 0..KEPT + 10 {
            record.add(Asked { action: n.to_string(), ..Asked::default() });
        }
        assert_eq!(record.last().len(), KEPT);
        assert_eq!(record.last()[0].action, "10");
        assert_eq!(record.total(), 266);
        assert_eq!((record.count("0"), record.count("265")), (1, 0));
    }
}
