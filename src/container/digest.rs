//! What is kept of a consumer's secret.
//!
//! A secret of 256 random bits needs neither salt nor stretching: its plain
//! digest cannot be turned back. Looking up by digest makes the time that a
//! lookup takes independent of how much of a guess is right.

use std::fmt;
use std::hash::{Hash, Hasher};

use ring::digest::{SHA256, digest};
use subtle::ConstantTimeEq as _;

/// The SHA-256 of a consumer's secret, in words: comparing bytes takes eight times as long.
#[derive(Clone, Copy)]
pub(super) struct Digest([[u8; 8]; 4]);

impl Digest {
    pub(super) fn of(secret: &[u8]) -> Self {
        let mut words = Self([[0; 8]; 4]);
        words.0.as_flattened_mut().copy_from_slice(digest(&SHA256, secret).as_ref());
        words
    }

    /// Reads 64 hexadecimal digits.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        let (pairs, []) = digits.as_chunks::<2>() else { return None };
        let mut words = Self([[0; 8]; 4]);
        let bytes = words.0.as_flattened_mut();
        if pairs.len() != bytes.len() {
            return None;
        }
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Some(words)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_flattened().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[digest]")
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        let [own, other] = [self, other].map(|digest| digest.0.map(u64::from_ne_bytes));
        own.ct_eq(&other).into()
    }
}

impl Eq for Digest {}

impl Hash for Digest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.as_flattened().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_read_as_it_is_written() {
        let digest = Digest::of(b"abc");
        let text = digest.to_string();
        assert_eq!(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(Digest::parse(&text), Some(digest));
        assert_ne!(digest, Digest::of(b"abd"));
        for bad in ["", "ba", &text[1..], &format!("{text}0"), &format!("{}zz", &text[2..])] {
            assert_eq!(Digest::parse(bad), None, "{bad}");
        }
    }
}
