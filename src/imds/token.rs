//! Metadata tokens: stateless, so that no client can fill a table and evict another's.
//!
//! A token is a claim (when it ends by the boot clock, and a nonce) under a
//! truncated HMAC whose key depends on the boot. It outlives the daemon, but
//! not the boot, and no clock that somebody sets changes its life (T10 to T13).
//! 40 bytes make the 56 characters of EC2's own (T7).

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use ring::hmac;
use subtle::ConstantTimeEq as _;

use crate::clock::BootTime;

/// How long a metadata token may live: 1 s to 6 h (T1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ttl(u32);

impl Ttl {
    const LONGEST: u32 = 21_600;

    /// Reads the header field: decimal digits and nothing else (T2, T4).
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut seconds = 0_u32;
        for b in text {
            let digit = char::from(*b).to_digit(10)?;
            seconds = seconds.saturating_mul(10).saturating_add(digit);
        }
        (1..=Self::LONGEST).contains(&seconds).then_some(Self(seconds))
    }

    /// As the header field states it.
    #[must_use]
    pub const fn as_secs(self) -> u32 {
        self.0
    }
}

/// The claim of a token in 16 bytes: four constant ones, then expiry and nonce of six each.
#[derive(Clone, Copy)]
struct Claim(u128);

impl Claim {
    // In base64 this reads `AQAEA`, as on today's instances (T7).
    const VERSION: u128 = 0x0100_0400;
    const SIX_BYTES: u128 = (1 << 48) - 1;

    fn new(expiry: BootTime, nonce: u64) -> Self {
        // Rounded up to milliseconds: right after the grant nothing of it is gone yet.
        let expiry = expiry.plus(Duration::from_nanos(999_999)).since_boot().as_millis();
        let nonce = u128::from(nonce) & Self::SIX_BYTES;
        Self(Self::VERSION << 96 | (expiry & Self::SIX_BYTES) << 48 | nonce)
    }

    const fn is_known(self) -> bool {
        self.0 >> 96 == Self::VERSION
    }

    fn expiry(self) -> BootTime {
        let millis = u64::try_from(self.0 >> 48 & Self::SIX_BYTES);
        BootTime::from_boot(Duration::from_millis(millis.unwrap_or_default()))
    }
}

/// The token that a connection showed last, and when that ends.
///
/// A client that keeps its connection shows the same one with each request;
/// what was proved once is compared, in constant time, and not proved again.
#[derive(Default)]
pub struct Shown(Mutex<Option<(Spelling, BootTime)>>);

/// The text of a token, in words: comparing bytes takes eight times as long.
#[derive(Clone, Copy)]
struct Spelling([u64; 7]);

impl Spelling {
    /// `None` for a text of another length.
    fn of(token: &[u8]) -> Option<Self> {
        let (words, []) = token.as_chunks() else { return None };
        let words: &[[u8; 8]; 7] = words.try_into().ok()?;
        Some(Self(words.map(u64::from_ne_bytes)))
    }

    fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// What signs metadata tokens, during one boot.
pub struct TokenKey(hmac::Key);

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl TokenKey {
    /// Binds the key to the boot: tokens of another one are foreign (T13).
    #[must_use]
    pub fn new(key: &[u8; 32], boot_id: &str) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        let derived = hmac::sign(&key, &[b"metadata token, boot ", boot_id.as_bytes()].concat());
        Self(hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()))
    }

    /// A token that lives as long as asked, to its very last second (T9, T23).
    ///
    /// `nonce` tells apart the tokens of one moment; six bytes of it count.
    #[must_use]
    #[allow(clippy::missing_panics_doc)] // The two lengths are constants.
    pub fn issue(&self, ttl: Ttl, now: BootTime, nonce: u64) -> [u8; 56] {
        let expiry = now.plus(Duration::from_secs(ttl.0.into()));
        let claim = Claim::new(expiry, nonce).0.to_be_bytes();
        let mut sealed = [0; 40];
        let (head, tail) = sealed.split_at_mut(claim.len());
        head.copy_from_slice(&claim);
        tail.copy_from_slice(&self.mac(&claim));
        let mut text = [0; 56];
        URL_SAFE.encode_slice(sealed, &mut text).expect("40 bytes encode to 56 characters");
        text
    }

    /// The life still to run in whole seconds, rounded down (T18); `None` where there is none.
    #[must_use]
    pub fn remaining(&self, token: &[u8], now: BootTime) -> Option<u32> {
        whole_seconds(self.verify(token)?.expiry(), now)
    }

    /// As [`TokenKey::remaining`], for a connection that may have shown this token before.
    pub(super) fn remaining_of(&self, token: &[u8], shown: &Shown, now: BootTime) -> Option<u32> {
        let spelling = Spelling::of(token)?;
        let mut last = shown.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ends = match &*last {
            Some((known, ends)) if known.is(&spelling) => *ends,
            _ => {
                let ends = self.verify(token)?.expiry();
                *last = Some((spelling, ends));
                ends
            }
        };
        whole_seconds(ends, now)
    }

    fn verify(&self, token: &[u8]) -> Option<Claim> {
        if token.len() != 56 {
            return None;
        }
        // The decoder asks for room in multiples of three.
        let mut sealed = [0; 42];
        let length = URL_SAFE.decode_slice(token, &mut sealed).ok()?;
        let (claim, mac) = sealed.get(..length)?.split_first_chunk::<16>()?;
        let genuine = bool::from(mac.ct_eq(&self.mac(claim)));
        let claim = Claim(u128::from_be_bytes(*claim));
        (genuine && claim.is_known()).then_some(claim)
    }

    fn mac(&self, claim: &[u8; 16]) -> [u8; 24] {
        let tag = hmac::sign(&self.0, claim);
        *tag.as_ref().first_chunk().expect("SHA-256 gives 32 bytes")
    }
}

/// What is left, rounded down; a token is valid to its very last moment (T23).
fn whole_seconds(ends: BootTime, now: BootTime) -> Option<u32> {
    let left = ends.since(now);
    let seconds = u32::try_from(left.as_secs()).ok()?;
    (!left.is_zero()).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> TokenKey {
        TokenKey::new(&[7; 32], "boot-1")
    }

    fn ttl(seconds: u32) -> Ttl {
        Ttl::parse(seconds.to_string().as_bytes()).unwrap()
    }

    const fn at(nanos: u64) -> BootTime {
        BootTime::from_boot(Duration::from_nanos(nanos))
    }

    #[test]
    fn a_token_shown_before_is_worth_what_it_was_and_no_other_is() {
        let shown = Shown::default();
        let (one, other) = (key().issue(ttl(60), at(0), 1), key().issue(ttl(90), at(0), 2));
        let stranger = TokenKey::new(&[8; 32], "boot-1").issue(ttl(60), at(0), 1);
        let second = 1_000_000_000;
        for now in [0, 1, 59 * second, 60 * second, 90 * second] {
            for token in [&one[..], &one, &other, &stranger, b"", &one[..55], &one] {
                let afresh = key().remaining(token, at(now));
                assert_eq!(key().remaining_of(token, &shown, at(now)), afresh, "{now}");
            }
        }
    }

    #[test]
    fn t1_t2_t4_a_ttl_is_1_to_21600_in_digits() {
        let parse = |text: &str| Ttl::parse(text.as_bytes()).map(Ttl::as_secs);
        assert_eq!(parse("1"), Some(1));
        assert_eq!(parse("21600"), Some(21_600));
        assert_eq!(parse("0060"), Some(60));
        assert_eq!(parse(&format!("{}60", "0".repeat(99))), Some(60));
        for text in [
            "",
            "0",
            "-1",
            "+60",
            "21601",
            "abc",
            "60.0",
            "6 0",
            "60s",
            "4294967297",
            "0x10",
            "٣",
            "99999999999999999999999999",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn t7_a_token_has_the_shape_of_ec2s_own() {
        let token = key().issue(ttl(21_600), at(5), 1);
        let text = std::str::from_utf8(&token).unwrap();
        assert!(text.starts_with("AQAEA") && text.ends_with("=="), "{text}");
        let body = text.trim_end_matches('=');
        assert_eq!(body.len(), 54);
        assert!(body.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
    }

    #[test]
    fn t23_a_token_is_valid_to_its_last_second_and_outlives_no_ttl() {
        let start = 1_234_567_891;
        let token = key().issue(ttl(2), at(start), 0);
        let left = |after: u64| key().remaining(&token, at(start + after));
        assert_eq!(left(0), Some(2));
        assert_eq!(left(1_000_000), Some(1));
        assert_eq!(left(1_999_000_000), Some(0));
        // The boot clock is rounded by one millisecond at most.
        assert_eq!(left(2_001_000_000), None);
        assert_eq!(left(3_600_000_000_000), None);
    }

    #[test]
    fn t10_t13_another_key_or_boot_makes_a_token_foreign() {
        let now = at(9_000_000_000);
        let token = key().issue(ttl(60), now, 3);
        assert_eq!(key().remaining(&token, now), Some(60), "T11: by a new daemon");
        assert_eq!(TokenKey::new(&[7; 32], "boot-2").remaining(&token, now), None);
        assert_eq!(TokenKey::new(&[8; 32], "boot-1").remaining(&token, now), None);
    }

    #[test]
    fn t10_tokens_of_one_moment_differ() {
        let token = |nonce| key().issue(ttl(60), at(0), nonce);
        assert_ne!(token(1), token(2));
    }

    #[test]
    fn other_lengths_and_spellings_are_refused() {
        let now = at(0);
        let token = key().issue(ttl(60), now, 3);
        let text = String::from_utf8(token.to_vec()).unwrap();
        for bad in [
            String::new(),
            "INVALID".to_owned(),
            text.trim_end_matches('=').to_owned(),
            format!("{}AA", text.trim_end_matches('=')),
            format!("{text}="),
            format!(" {}", &text[..55]),
            "A".repeat(56),
            "=".repeat(56),
        ] {
            assert_eq!(key().remaining(bad.as_bytes(), now), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_flipped_bit_is_refused(
            seconds in 1_u32..=21_600, start in any::<u32>(), nonce in any::<u64>(),
            place in 0_usize..56, bit in 0_u8..8,
        ) {
            let now = at(start.into());
            let mut token = key().issue(ttl(seconds), now, nonce);
            prop_assert_eq!(key().remaining(&token, now), Some(seconds));
            token[place] ^= 1 << bit;
            prop_assert_eq!(key().remaining(&token, now), None);
        }

        #[test]
        fn what_remains_is_never_above_the_grant_and_never_rises(
            seconds in 1_u32..=21_600, start in any::<u64>(), mut steps in prop::collection::vec(0_u64..30_000_000_000_000, 1..20),
        ) {
            let start = start / 4;
            let token = key().issue(ttl(seconds), at(start), 0);
            steps.sort_unstable();
            let mut before = Some(seconds);
            for step in steps {
                let left = key().remaining(&token, at(start + step));
                prop_assert!(left <= before, "{:?} after {:?}", left, before);
                let whole = u64::from(seconds) * 1_000_000_000;
                prop_assert!(left.is_some() || step >= whole);
                prop_assert!(left.is_none() || step < whole + 1_000_000);
                before = left;
            }
        }

        #[test]
        fn garbage_is_refused(token in prop::collection::vec(any::<u8>(), 0..80)) {
            prop_assert_eq!(key().remaining(&token, at(0)), None);
        }
    }
}
