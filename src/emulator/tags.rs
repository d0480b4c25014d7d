//! Session tags: what a call or a claim brings, and what a chain hands on (A1).
//!
//! Keys are unique whatever their case. A tag marked as transitive stays with
//! all roles that follow, and none of them may bring it again.

use std::collections::BTreeSet;

use super::form::Parameters;
use super::limits::{MOST_TAGS, Pattern, TAG_KEY, TAG_VALUE};
use super::refusal::Refusal;

/// One tag, its key in the case it came in.
pub(super) type Tag = (String, String);

/// The tags of a session that is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tags {
    pub(super) own: Vec<Tag>,
    /// Keys of `own` that later roles are to inherit.
    pub(super) transitive: Vec<String>,
}

impl Tags {
    /// Those among the parameters, whose limits are looked at elsewhere.
    pub(super) fn of(parameters: &Parameters) -> Self {
        let get = |name: String| parameters.get(&name).unwrap_or_default().to_owned();
        let tag = |n| {
            let part = |part: &str| get(format!("Tags.member.{n}.{part}"));
            (part("Key"), part("Value"))
        };
        let key = |n| get(format!("TransitiveTagKeys.member.{n}"));
        Self {
            own: (1..=parameters.members("Tags")).map(tag).collect(),
            transitive: (1..=parameters.members("TransitiveTagKeys")).map(key).collect(),
        }
    }

    /// Whether they go together, and with those of the session that asks.
    pub(super) fn check(&self, inherited: &[Tag]) -> Result<(), Refusal> {
        let keys: BTreeSet<_> = self.own.iter().map(|(key, _)| key.to_lowercase()).collect();
        if keys.len() < self.own.len() {
            return Err(Refusal::invalid(
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            ));
        }
        if let Some(key) = self.transitive.iter().find(|key| !keys.contains(&key.to_lowercase())) {
            return Err(Refusal::invalid(format!("The transitive tag key {key} is no tag's key.")));
        }
        if let Some((key, _)) = inherited.iter().find(|(key, _)| keys.contains(&key.to_lowercase()))
        {
            return Err(Refusal::invalid(format!(
                "The tag {key} is inherited from the calling session and cannot be passed again."
            )));
        }
        if keys.len() + inherited.len() > MOST_TAGS {
            return Err(Refusal::invalid("Inherited and passed tags together are more than 50."));
        }
        Ok(())
    }

    /// Whether each by itself is within the limits, where no parameter says so.
    pub(super) fn are_within_limits(&self) -> bool {
        let fits = |text: &str, (least, most): (usize, usize)| {
            let length = text.chars().count();
            (least..=most).contains(&length) && text.chars().all(|c| Pattern::Tag.admits(c))
        };
        self.own.len() <= MOST_TAGS
            && self
                .own
                .iter()
                .all(|(key, value)| fits(key, TAG_KEY.length) && fits(value, TAG_VALUE.length))
    }

    /// What the next role in a chain will inherit.
    pub(super) fn handed_on(self, inherited: &[Tag]) -> Vec<Tag> {
        let transitive: BTreeSet<_> =
            self.transitive.iter().map(|key| key.to_lowercase()).collect();
        let own = self.own.into_iter().filter(|(key, _)| transitive.contains(&key.to_lowercase()));
        inherited.iter().cloned().chain(own).collect()
    }

    /// Their plain text's length.
    pub(super) fn size(&self) -> usize {
        self.own.iter().map(|(key, value)| key.len() + value.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(keys: &[&str], transitive: &[&str]) -> Tags {
        Tags {
            own: keys.iter().map(|key| ((*key).to_owned(), "v".to_owned())).collect(),
            transitive: transitive.iter().map(|key| (*key).to_owned()).collect(),
        }
    }

    fn refused(tags: &Tags, inherited: &[Tag]) -> String {
        tags.check(inherited).unwrap_err().message
    }

    #[test]
    fn a_key_is_there_once_whatever_its_case() {
        // A1
        assert_eq!(tags(&["team", "cost"], &["Team"]).check(&[]), Ok(()));
        assert!(refused(&tags(&["team", "Team"], &[]), &[]).starts_with("Duplicate tag keys"));
        assert!(refused(&tags(&["team"], &["cost"]), &[]).contains("transitive tag key cost"));
    }

    #[test]
    fn what_is_inherited_stays_and_is_not_passed_again() {
        let first = tags(&["team", "cost"], &["TEAM"]).handed_on(&[]);
        assert_eq!(first, [("team".to_owned(), "v".to_owned())]);
        assert!(refused(&tags(&["Team"], &[]), &first).contains("is inherited"));
        let second = tags(&["stage"], &["stage"]).handed_on(&first);
        let keys: Vec<_> = second.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["team", "stage"]);
        let many: Vec<_> = (0..MOST_TAGS).map(|n| n.to_string()).collect();
        let many = tags(&many.iter().map(String::as_str).collect::<Vec<_>>(), &[]);
        assert_eq!(many.check(&[]), Ok(()));
        assert!(refused(&many, &first).contains("more than 50"));
    }

    #[test]
    fn claims_are_held_to_the_limits_of_parameters() {
        assert!(tags(&["team"], &[]).are_within_limits());
        for key in ["", "a*b", &"x".repeat(129)] {
            assert!(!tags(&[key], &[]).are_within_limits(), "{key}");
        }
    }
}
