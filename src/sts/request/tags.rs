//! Session tags (A1), and which of them stay through role chains.

use std::collections::BTreeSet;
use std::str::FromStr;

use crate::role::Malformed;

/// How many tags, and how many transitive keys, a call takes.
const MOST: usize = 50;

/// Letters, digits, separators and `_.:/=+-@` of any script.
fn is_allowed(text: &str) -> bool {
    let separator = |c: char| c.is_whitespace() && !c.is_control();
    text.chars().all(|c| c.is_alphanumeric() || separator(c) || "_.:/=+-@".contains(c))
}

/// 1 to 128 characters; two keys that differ in case only are the same key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TagKey(String);

impl TagKey {
    /// As it is sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn folded(&self) -> String {
        self.0.to_lowercase()
    }
}

impl FromStr for TagKey {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let wrong = |why| Malformed { expected: "the key of a session tag", why };
        if !(1..=128).contains(&text.chars().count()) {
            return Err(wrong("it has 1 to 128 characters"));
        }
        if !is_allowed(text) {
            return Err(wrong("allowed are letters, digits, blanks and _.:/=+-@"));
        }
        if text.to_lowercase().starts_with("aws:") {
            return Err(wrong("keys that begin with aws: are AWS's own"));
        }
        Ok(Self(text.to_owned()))
    }
}

/// A key with its value, which may be empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    key: TagKey,
    value: String,
}

impl Tag {
    /// Takes the two together.
    ///
    /// # Errors
    /// Where either breaks A1.
    pub fn new(key: &str, value: &str) -> Result<Self, Malformed> {
        let wrong = |why| Malformed { expected: "the value of a session tag", why };
        if value.chars().count() > 256 {
            return Err(wrong("it has at most 256 characters"));
        }
        if !is_allowed(value) {
            return Err(wrong("allowed are letters, digits, blanks and _.:/=+-@"));
        }
        Ok(Self { key: key.parse()?, value: value.to_owned() })
    }

    /// Its key.
    #[must_use]
    pub fn key(&self) -> &str {
        self.key.as_str()
    }

    /// Its value.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }
}

/// The tags of one session; none by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tags {
    all: Vec<Tag>,
    transitive: Vec<TagKey>,
}

impl Tags {
    /// Takes them together.
    ///
    /// # Errors
    /// Where there are too many, two with one key, or a transitive key without its tag.
    pub fn new(all: Vec<Tag>, transitive: Vec<TagKey>) -> Result<Self, Malformed> {
        let wrong = |why| Malformed { expected: "a set of session tags", why };
        let keys: BTreeSet<String> = all.iter().map(|tag| tag.key.folded()).collect();
        let staying: BTreeSet<String> = transitive.iter().map(TagKey::folded).collect();
        if all.len() > MOST || transitive.len() > MOST {
            return Err(wrong("a session has at most 50 tags"));
        }
        if keys.len() < all.len() || staying.len() < transitive.len() {
            return Err(wrong("two keys are the same but for upper and lower case"));
        }
        if !staying.is_subset(&keys) {
            return Err(wrong("each of transitive_tag_keys has to be the key of a tag"));
        }
        Ok(Self { all, transitive })
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> &[Tag] {
        &self.all
    }

    /// The keys of those that stay through role chains.
    #[must_use]
    pub fn transitive(&self) -> &[TagKey] {
        &self.transitive
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(keys: &[&str], transitive: &[&str]) -> Result<Tags, &'static str> {
        let all = keys.iter().map(|key| Tag::new(key, "v").unwrap()).collect();
        let transitive = transitive.iter().map(|key| key.parse().unwrap()).collect();
        Tags::new(all, transitive).map_err(|wrong| wrong.why)
    }

    #[test]
    fn a_tag_keeps_to_the_letters_and_lengths_of_a1() {
        assert!(Tag::new(&"é".repeat(128), &"v".repeat(256)).is_ok());
        assert!(Tag::new("cost center", "").is_ok());
        let long = "k".repeat(129);
        for (key, value) in [
            ("", "v"),
            (long.as_str(), "v"),
            ("a*", "v"),
            ("AWS:x", "v"),
            ("a\t", "v"),
            ("k", "a;b"),
        ] {
            assert!(Tag::new(key, value).is_err(), "{key}={value}");
        }
        assert!(Tag::new("k", &"v".repeat(257)).is_err());
    }

    #[test]
    fn keys_are_unique_whatever_their_case_and_transitive_ones_are_there() {
        // A1
        assert!(tags(&["Team", "env"], &["team"]).is_ok());
        assert!(tags(&["Team", "team"], &[]).unwrap_err().contains("same"));
        assert!(tags(&["team"], &["env"]).unwrap_err().contains("transitive"));
        let many: Vec<String> = (0..51).map(|n| n.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(tags(&many, &[]).unwrap_err().contains("50"));
        assert!(tags(&many[1..], &[]).is_ok());
    }
}
