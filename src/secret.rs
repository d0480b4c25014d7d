//! Text that must not be seen.
//!
//! Wraps secret access keys, session tokens and whatever else would let a
//! reader act as the role. Redacted in `Debug`, zeroed when dropped; the only
//! way to the text is [`Secret::expose`], so `git grep expose` is the audit.

use std::fmt;

use zeroize::Zeroizing;

/// Text that must not reach a log, an error message or a core file.
///
/// No `Display`, `PartialEq` or `Deref`, on purpose.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text over; the caller should not keep a copy.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself, for the one place that has to send it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// True where there is nothing to hide; such a part never leaves as a success.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_the_text() {
        let secret = Secret::new("wJalrXUtnFEMI");
        let shown = format!("{secret:?} {:?}", Some(&secret));
        assert!(!shown.contains("wJal"), "{shown}");
        assert_eq!(secret.expose(), "wJalrXUtnFEMI");
    }
}
