//! Session policies: what a session may do less than its role.
//!
//! The size of the packed form is known to STS alone (A2). A policy is nobody's
//! business but its owner's, so its text is shown nowhere.

use std::path::PathBuf;
use std::str::FromStr;

use serde_json::Value;

use crate::role::{AccountId, Malformed, Partition};
use crate::secret::Secret;

/// The text of an inline policy: 1 to 2048 characters of a JSON object (A2).
#[derive(Debug, Clone)]
pub struct SessionPolicy(Secret);

impl SessionPolicy {
    pub(super) const LONGEST: usize = 2048;

    /// As it is sent.
    #[must_use]
    pub const fn text(&self) -> &Secret {
        &self.0
    }
}

impl FromStr for SessionPolicy {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let wrong = |why| Malformed { expected: "a session policy", why };
        let text = text.trim();
        if text.is_empty() || text.chars().count() > Self::LONGEST {
            return Err(wrong("it has 1 to 2048 characters"));
        }
        if !text.chars().all(|c| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{ff}')) {
            return Err(wrong("it holds Latin letters only, U+0020 to U+00FF, and line breaks"));
        }
        if !matches!(serde_json::from_str(text), Ok(Value::Object(_))) {
            return Err(wrong("it is a JSON object with Version and Statement"));
        }
        Ok(Self(Secret::new(text)))
    }
}

/// Where an inline policy stands.
#[derive(Debug, Clone)]
pub enum PolicySource {
    /// In the settings.
    Text(SessionPolicy),
    /// In a file of its own, read anew for each attempt.
    File(PathBuf),
}

impl PolicySource {
    /// The policy, where it is known before it is needed.
    #[must_use]
    pub const fn text(&self) -> Option<&SessionPolicy> {
        match self {
            Self::Text(policy) => Some(policy),
            Self::File(_) => None,
        }
    }
}

impl PartialEq for PolicySource {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(one), Self::Text(two)) => one.text().expose() == two.text().expose(),
            (Self::File(one), Self::File(two)) => one == two,
            _ => false,
        }
    }
}

impl Eq for PolicySource {}

/// The ARN of a managed policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyArn {
    text: String,
    partition: Partition,
}

impl PolicyArn {
    /// How many of them a call takes.
    pub const MOST: usize = 10;

    /// The one of AWS itself that allows reading everything.
    #[must_use]
    pub fn read_only(partition: Partition) -> Self {
        let text = format!("arn:{}:iam::aws:policy/ReadOnlyAccess", partition.as_str());
        Self { text, partition }
    }

    /// As it is sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The partition, which is the role's too.
    #[must_use]
    pub const fn partition(&self) -> Partition {
        self.partition
    }
}

impl FromStr for PolicyArn {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let shape = Malformed {
            expected: "the ARN of a managed policy",
            why: "it looks like arn:aws:iam::aws:policy/ReadOnlyAccess",
        };
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let &["arn", partition, "iam", "", account, resource] = parts.as_slice() else {
            return Err(shape);
        };
        let name = resource.strip_prefix("policy/").unwrap_or_default();
        let named = !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic());
        if !named || !(20..=2048).contains(&text.len()) {
            return Err(shape);
        }
        if account != "aws" {
            account.parse::<AccountId>()?;
        }
        Ok(Self { text: text.to_owned(), partition: partition.parse()? })
    }
}

/// Everything that narrows a session down; nothing does by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policies {
    /// `Policy`
    pub inline: Option<PolicySource>,
    /// `PolicyArns`, ten at most.
    pub managed: Vec<PolicyArn>,
}

impl Policies {
    /// Whether STS takes these together.
    ///
    /// # Errors
    /// Where they have more than 2048 characters (A2).
    pub fn fit(inline: Option<&SessionPolicy>, managed: &[PolicyArn]) -> Result<(), Malformed> {
        let plain = inline.map_or(0, |policy| policy.text().expose().chars().count());
        let named: usize = managed.iter().map(|arn| arn.as_str().chars().count()).sum();
        if plain + named <= SessionPolicy::LONGEST {
            return Ok(());
        }
        let why = "together they have 2048 characters at most";
        Err(Malformed { expected: "session policies that STS takes", why })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_policy_is_a_short_json_object_of_latin_letters() {
        // A2
        let judged = |text: &str| text.parse::<SessionPolicy>().map(drop).map_err(|w| w.why);
        let of_length = |length: usize| format!("{{\"a\":\"{}\"}}", "é".repeat(length - 8));
        assert!(judged(&of_length(2048)).is_ok());
        assert_eq!(judged(&of_length(2049)), Err("it has 1 to 2048 characters"));
        assert!(judged("\n{\t\"Version\": \"2012-10-17\"}\r\n").is_ok());
        assert_eq!(judged(" \n"), Err("it has 1 to 2048 characters"));
        for text in ["{\"a\": \"\u{100}\"}", "{\"a\": \"\u{7}\"}"] {
            assert!(judged(text).unwrap_err().contains("Latin"), "{text}");
        }
        for text in ["[]", "allow everything", "{\"a\": 1", "{} {}"] {
            assert!(judged(text).unwrap_err().contains("JSON"), "{text}");
        }
    }

    #[test]
    fn no_policy_shows_in_debug() {
        let policy = PolicySource::Text("{\"Sid\": \"hush\"}".parse().unwrap());
        assert!(!format!("{policy:?}").contains("hush"));
    }

    #[test]
    fn a_managed_policy_belongs_to_aws_or_to_an_account() {
        for text in
            ["arn:aws:iam::aws:policy/ReadOnlyAccess", "arn:aws-cn:iam::123456789012:policy/a/b"]
        {
            assert!(text.parse::<PolicyArn>().is_ok(), "{text}");
        }
        for text in [
            "ReadOnlyAccess",
            "arn:aws:iam::aws:role/ReadOnlyAccess",
            "arn:aws:iam::12:policy/ReadOnly",
            "arn:mars:iam::aws:policy/ReadOnly",
            "arn:aws:iam::aws:policy/a b c d e",
        ] {
            assert!(text.parse::<PolicyArn>().is_err(), "{text}");
        }
    }
}
