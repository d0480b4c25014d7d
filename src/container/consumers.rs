//! All consumers: who there is, who is made, who goes.
//!
//! Found by the digest of their secret, so that a thousand cost no more than
//! one. Their number is bounded, and nothing but a mint adds to it.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use thiserror::Error;

use super::consumer::{Consumer, ConsumerName, Order, Place};
use super::digest::Digest;
use crate::clock::Now;
use crate::secret::Secret;

/// Why a consumer was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Turned {
    /// Somebody has that name.
    #[error("a consumer of this name exists already")]
    Taken,
    /// There are too many.
    #[error("there are {} consumers already, and no more are kept", Consumers::MOST)]
    Full,
    /// It would have ended before it began.
    #[error("a lifetime of nothing")]
    Stillborn,
}

impl Turned {
    /// What the reader can do about it.
    #[must_use]
    pub const fn hint(self) -> &'static str {
        match self {
            Self::Taken => "revoke that one first, or choose another name",
            Self::Full => "revoke those that nobody uses",
            Self::Stillborn => "give it a lifetime of a second or more, or none at all",
        }
    }
}

/// Everybody who may ask.
#[derive(Debug, Default)]
pub struct Consumers {
    pub(super) by_digest: HashMap<Digest, Consumer>,
}

impl Consumers {
    /// How many there may be at once.
    pub const MOST: usize = 4096;

    /// Makes a consumer of an order and 256 random bits; only the caller has
    /// the secret afterwards.
    ///
    /// # Errors
    /// Where the name is taken, or there is no room.
    pub fn mint(&mut self, order: Order, bits: &[u8; 32], now: Now) -> Result<Secret, Turned> {
        self.forget_expired(now);
        if order.lifetime.is_some_and(|lifetime| lifetime < Duration::from_secs(1)) {
            return Err(Turned::Stillborn);
        }
        if self.by_digest.values().any(|consumer| consumer.name == order.name) {
            return Err(Turned::Taken);
        }
        if self.by_digest.len() >= Self::MOST {
            return Err(Turned::Full);
        }
        // As the text of a header field and of a path, needing no escape in either.
        let secret = Secret::new(URL_SAFE_NO_PAD.encode(bits));
        let digest = Digest::of(secret.expose().as_bytes());
        self.by_digest.insert(digest, Consumer::new(order, now));
        Ok(secret)
    }

    /// Whose secret this is, if it is anybody's and is shown where it should be.
    #[must_use]
    pub fn authorise(&self, secret: &[u8], place: Place, now: Now) -> Option<&Consumer> {
        let consumer = self.by_digest.get(&Digest::of(secret))?;
        let good = consumer.place == place && consumer.counts(now);
        good.then(|| {
            consumer.last_use.set(Some(now.wall));
            consumer
        })
    }

    /// Ends the one of this name, if there is one.
    pub fn revoke(&mut self, name: &ConsumerName) -> Option<Consumer> {
        let mut gone = self.by_digest.extract_if(|_, consumer| consumer.name == *name);
        gone.next().map(|(_, consumer)| consumer)
    }

    /// Those who count, by their names.
    #[must_use]
    pub fn list(&self, now: Now) -> Vec<Consumer> {
        let counting = self.by_digest.values().filter(|consumer| consumer.counts(now));
        let mut list: Vec<_> = counting.cloned().collect();
        list.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        list
    }

    /// True where nobody could be served.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_digest.is_empty()
    }

    fn forget_expired(&mut self, now: Now) {
        self.by_digest.retain(|_, consumer| consumer.counts(now));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::container::tests::{START, later, order};

    fn minted(consumers: &mut Consumers, name: &str, bits: u8) -> Secret {
        consumers.mint(order(name), &[bits; 32], START).unwrap()
    }

    fn name_of(consumers: &Consumers, secret: &[u8], now: Now) -> Option<String> {
        let found = consumers.authorise(secret, Place::Authorization, now);
        found.map(|consumer| consumer.name.to_string())
    }

    #[test]
    fn a_secret_finds_its_consumer_and_only_where_it_belongs() {
        let mut consumers = Consumers::default();
        let one = minted(&mut consumers, "one", 1);
        let two = minted(&mut consumers, "two", 2);
        assert_eq!(one.expose().len(), 43);
        let found = |secret: &Secret| name_of(&consumers, secret.expose().as_bytes(), START);
        assert_eq!(found(&one).as_deref(), Some("one"));
        assert_eq!(found(&two).as_deref(), Some("two"));
        assert!(consumers.authorise(one.expose().as_bytes(), Place::Path, START).is_none());
    }

    #[test]
    fn a_consumer_ends_with_its_lifetime_by_either_clock() {
        let mut consumers = Consumers::default();
        let brief = Order { lifetime: Some(Duration::from_mins(1)), ..order("brief") };
        let secret = consumers.mint(brief, &[1; 32], START).unwrap();
        let found = |now| name_of(&consumers, secret.expose().as_bytes(), now).is_some();
        assert!(found(later(59)) && !found(later(60)));
        assert!(!found(Now { wall: START.wall, ..later(60) }), "a clock set back");
        assert!(!found(Now { boot: START.boot, ..later(60) }), "a clock set forward");
        assert!(consumers.list(later(60)).is_empty());
        minted(&mut consumers, "other", 2);
        assert!(consumers.mint(order("brief"), &[3; 32], later(60)).is_ok(), "its name is free");
    }

    #[test]
    fn a_revoked_consumer_is_nobody_at_once() {
        let mut consumers = Consumers::default();
        let secret = minted(&mut consumers, "ci", 1);
        let name = "ci".parse().unwrap();
        assert!(consumers.revoke(&name).is_some());
        assert!(consumers.revoke(&name).is_none());
        assert_eq!(name_of(&consumers, secret.expose().as_bytes(), START), None);
    }

    #[test]
    fn names_are_taken_once_and_rooms_are_finite() {
        let mut consumers = Consumers::default();
        minted(&mut consumers, "ci", 1);
        assert_eq!(consumers.mint(order("ci"), &[2; 32], START).unwrap_err(), Turned::Taken);
        for n in 1..Consumers::MOST {
            let mut bits = [0; 32];
            bits[..8].copy_from_slice(&n.to_be_bytes());
            consumers.mint(order(&format!("n{n}")), &bits, START).unwrap();
        }
        assert_eq!(consumers.mint(order("more"), &[3; 32], START).unwrap_err(), Turned::Full);
        assert!(consumers.revoke(&"n7".parse().unwrap()).is_some());
        minted(&mut consumers, "more", 3);
        let none = Order { lifetime: Some(Duration::ZERO), ..order("none") };
        assert_eq!(consumers.mint(none, &[4; 32], START).unwrap_err(), Turned::Stillborn);
    }

    #[test]
    fn a_use_is_noted_and_a_failure_is_not() {
        let mut consumers = Consumers::default();
        let secret = minted(&mut consumers, "ci", 1);
        let last = |consumers: &Consumers| consumers.list(START)[0].last_use();
        assert!(consumers.authorise(secret.expose().as_bytes(), Place::Path, later(5)).is_none());
        assert_eq!(last(&consumers), None);
        name_of(&consumers, secret.expose().as_bytes(), later(5)).unwrap();
        assert_eq!(last(&consumers), Some(later(5).wall));
    }

    proptest! {
        #[test]
        fn nobody_comes_in_by_another_text(
            bits in any::<[u8; 32]>(), guess in prop::collection::vec(any::<u8>(), 0..64),
            place in 0_usize..43, flip in 1_u8..=255,
        ) {
            let mut consumers = Consumers::default();
            let secret = consumers.mint(order("ci"), &bits, START).unwrap();
            let text = secret.expose().as_bytes();
            let mut near = text.to_vec();
            near[place] ^= flip;
            for other in [&near, &guess, &text[1..].to_vec(), &[text, b"\n"].concat()] {
                prop_assert_eq!(name_of(&consumers, other, START), None);
            }
            prop_assert!(name_of(&consumers, text, START).is_some());
        }
    }
}
