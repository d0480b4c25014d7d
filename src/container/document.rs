//! The credential document, rendered when it is published (S6).
//!
//! Compact JSON, members in the order of the ECS agent, no line feed. With it
//! stands until when it may be read, and what is said in its place afterwards.

use std::fmt;

use bytes::Bytes;
use jiff::Timestamp;
use zeroize::Zeroizing;

use super::reply::Refusal;
use crate::clock::Now;
use crate::credentials::{Grant, Snapshot, Validity};
use crate::role::{AccountId, RoleArn};

/// What clients may expect where nothing valid is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prospect {
    /// The next attempt may bring something.
    Hopeful,
    /// STS refused, and will until somebody changes something.
    Refused,
    /// The owner locked the daemon; nothing comes before it is unlocked.
    Locked,
}

/// A document in both shapes.
#[derive(Clone)]
struct Texts {
    /// S6
    ecs: Bytes,
    /// The same without `RoleArn` (K6).
    eks: Bytes,
}

/// One role's document; cheap to clone.
#[derive(Clone)]
pub struct Document {
    held: Option<(Texts, Validity)>,
    prospect: Prospect,
}

impl Document {
    /// Before anything was obtained.
    #[must_use]
    pub const fn awaited() -> Self {
        Self { held: None, prospect: Prospect::Hopeful }
    }

    /// Renders a generation; `grant` tells whose it is.
    #[must_use]
    pub fn of(snapshot: &Snapshot, grant: &Grant) -> Self {
        let held = Some((Texts::of(snapshot, grant), snapshot.validity()));
        Self { held, prospect: Prospect::Hopeful }
    }

    /// The same with another prospect: what is valid stays.
    #[must_use]
    pub fn with(&self, prospect: Prospect) -> Self {
        Self { held: self.held.clone(), prospect }
    }

    /// The text, for as long as both clocks call it valid.
    pub(super) fn valid(&self, now: Now) -> Option<&Bytes> {
        self.texts(now).map(|texts| &texts.ecs)
    }

    /// The same in the shape of EKS.
    pub(super) fn valid_for_pods(&self, now: Now) -> Option<&Bytes> {
        self.texts(now).map(|texts| &texts.eks)
    }

    fn texts(&self, now: Now) -> Option<&Texts> {
        let (texts, validity) = self.held.as_ref()?;
        (!validity.left(now).is_zero()).then_some(texts)
    }

    /// Whether there is a point in waiting for an attempt.
    pub(super) fn may_come(&self) -> bool {
        self.prospect != Prospect::Locked
    }

    /// What is said where nothing is valid: it decides whether a client tries
    /// again, lives on with what it has, or gives up.
    pub(super) const fn refusal(&self) -> Refusal {
        match (self.prospect, &self.held) {
            (Prospect::Locked, _) => Refusal::Locked,
            (Prospect::Refused, _) => Refusal::Denied,
            (Prospect::Hopeful, Some(_)) => Refusal::Expired,
            (Prospect::Hopeful, None) => Refusal::Uninitialized,
        }
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document").field("prospect", &self.prospect).finish_non_exhaustive()
    }
}

impl Texts {
    fn of(snapshot: &Snapshot, grant: &Grant) -> Self {
        let held = &snapshot.credentials;
        // A fraction of a second is more than some clients can read (C6).
        let expiration = Timestamp::from_second(held.expiration().as_second());
        let expiration = expiration.unwrap_or_else(|_| held.expiration()).to_string();
        // No ARN and no account is better than somebody else's.
        let members = [
            ("RoleArn", grant.role_arn.as_ref().map(RoleArn::as_str)),
            ("AccessKeyId", Some(held.access_key_id())),
            ("SecretAccessKey", Some(held.secret_access_key().expose())),
            ("Token", Some(held.session_token().expose())),
            ("AccountId", grant.account.as_ref().map(AccountId::as_str)),
            ("Expiration", Some(&*expiration)),
        ];
        let known = members.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let eks = object(known.clone().filter(|(name, _)| *name != "RoleArn"));
        Self { ecs: object(known), eks }
    }
}

/// An object of texts, in memory that is wiped with its last reader.
fn object<'a>(members: impl Iterator<Item = (&'a str, &'a str)> + Clone) -> Bytes {
    // With room for the worst that escaping makes of it, the text never moves,
    // and leaves no copy of a secret behind.
    let room: usize = members.clone().map(|(name, value)| 6 + 6 * (name.len() + value.len())).sum();
    let mut text = Zeroizing::new(Vec::with_capacity(2 + room));
    let mut before = b'{';
    for (name, value) in members {
        text.push(before);
        write_text(&mut text, name);
        text.push(b':');
        write_text(&mut text, value);
        before = b',';
    }
    text.push(b'}');
    Bytes::from_owner(text)
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("a Vec takes all bytes");
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::container::tests::{START, grant, snapshot};
    use crate::credentials::Credentials;
    use crate::secret::Secret;

    #[test]
    fn s6_the_layout_is_that_of_the_agent() {
        let expected = "{\"RoleArn\":\"arn:aws:iam::123456789012:role/team/deploy\",\
            \"AccessKeyId\":\"ASIAEXAMPLE\",\"SecretAccessKey\":\"wJal/rXU+tn\",\
            \"Token\":\"IQoJ//b3+Jp==\",\"AccountId\":\"123456789012\",\
            \"Expiration\":\"2027-01-15T09:00:00Z\"}";
        let document = Document::of(&snapshot(), &grant());
        assert_eq!(document.valid(START).unwrap(), expected.as_bytes());
    }

    #[test]
    fn k6_the_shape_of_eks_has_no_role_arn() {
        let expected = "{\"AccessKeyId\":\"ASIAEXAMPLE\",\"SecretAccessKey\":\"wJal/rXU+tn\",\
            \"Token\":\"IQoJ//b3+Jp==\",\"AccountId\":\"123456789012\",\
            \"Expiration\":\"2027-01-15T09:00:00Z\"}";
        let document = Document::of(&snapshot(), &grant());
        assert_eq!(document.valid_for_pods(START).unwrap(), expected.as_bytes());
    }

    #[test]
    fn who_is_not_known_is_not_named() {
        let nobody = Grant { role_arn: None, account: None, ..grant() };
        let document = Document::of(&snapshot(), &nobody);
        let json: serde_json::Value =
            serde_json::from_slice(document.valid(START).unwrap()).unwrap();
        assert_eq!(json.as_object().unwrap().len(), 4, "S7: what all need");
    }

    // S8: aws-c-auth reads no more than this.
    #[test]
    fn the_longest_that_sts_gives_fits_into_ten_thousand_bytes() {
        let arn = format!("arn:aws:iam::123456789012:role/{}/deploy", "p".repeat(512));
        let grant = Grant { role_arn: Some(arn.parse().unwrap()), ..grant() };
        let (key, token) = (Secret::new("k".repeat(128)), Secret::new("t".repeat(8192)));
        let credentials = Credentials::new("A".repeat(128), key, token, START.wall).unwrap();
        let document = Texts::of(&Snapshot { credentials, ..snapshot() }, &grant).ecs;
        assert!(document.len() < 10_000, "{}", document.len());
    }

    proptest! {
        #[test]
        fn what_was_put_in_comes_out(one in any::<String>(), two in ".*") {
            let text = object([("One", one.as_str()), ("Two", two.as_str())].into_iter());
            let read: serde_json::Value = serde_json::from_slice(&text).unwrap();
            prop_assert_eq!(&read["One"], one.as_str());
            prop_assert_eq!(&read["Two"], two.as_str());
        }

        #[test]
        fn nothing_is_read_past_its_end(wall in 0_u64..8000, boot in 0_u64..8000) {
            let document = Document::of(&snapshot(), &grant());
            let now = Now {
                wall: crate::clock::later(START.wall, Duration::from_secs(wall)),
                boot: START.boot.plus(Duration::from_secs(boot)),
            };
            // By the wall clock it ends a millisecond after the hour.
            prop_assert_eq!(document.valid(now).is_some(), wall <= 3600 && boot < 3600);
        }
    }
}
