//! The limits of the service model (docs/rules.md), as data, and how STS words a breach.
//!
//! All breaches of a call are told at once, as STS does. Written apart from
//! `sts::request` on purpose: what checks the client must not share its mistakes.

use std::time::Duration;

use super::form::{Parameters, REDACTED, is_secret};
use super::refusal::Refusal;

/// One parameter's limits.
pub(super) struct Limit {
    pub(super) name: &'static str,
    pub(super) required: bool,
    /// Least and most, in characters.
    pub(super) length: (usize, usize),
    pub(super) pattern: Pattern,
}

/// What a session policy may have in all, in characters (A2).
pub(super) const POLICY_LENGTH: usize = 2048;
/// How many session tags a call may have.
pub(super) const MOST_TAGS: usize = 50;

pub(super) const ROLE_ARN: Limit = Limit::required("RoleArn", (20, 2048), Pattern::Any);
pub(super) const SESSION_NAME: Limit = Limit::required("RoleSessionName", (2, 64), Pattern::Name);
pub(super) const SERIAL: Limit = Limit::optional("SerialNumber", (9, 256), Pattern::Serial);
pub(super) const CODE: Limit = Limit::optional("TokenCode", (6, 6), Pattern::Digits);
pub(super) const POLICY: Limit = Limit::optional("Policy", (1, POLICY_LENGTH), Pattern::Policy);
pub(super) const POLICY_ARN: Limit = Limit::required("arn", (20, 2048), Pattern::Any);
pub(super) const TAG_KEY: Limit = Limit::required("Key", (1, 128), Pattern::Tag);
pub(super) const TAG_VALUE: Limit = Limit::required("Value", (0, 256), Pattern::Tag);

impl Limit {
    pub(super) const fn required(
        name: &'static str,
        length: (usize, usize),
        pattern: Pattern,
    ) -> Self {
        Self { name, required: true, length, pattern }
    }

    pub(super) const fn optional(
        name: &'static str,
        length: (usize, usize),
        pattern: Pattern,
    ) -> Self {
        Self { name, required: false, length, pattern }
    }
}

/// The character sets of the model.
#[derive(Clone, Copy)]
pub(super) enum Pattern {
    Any,
    Name,
    ExternalId,
    Serial,
    Digits,
    Policy,
    Tag,
}

impl Pattern {
    /// As STS shows it.
    const fn text(self) -> &'static str {
        match self {
            Self::Any => ".*",
            Self::Name => r"[\w+=,.@-]*",
            Self::ExternalId => r"[\w+=,.@:\/-]*",
            Self::Serial => r"[\w+=/:,.@-]*",
            Self::Digits => r"[\d]*",
            Self::Policy => r"[\u0009\u000A\u000D\u0020-\u00FF]+",
            Self::Tag => r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*",
        }
    }

    pub(super) fn admits(self, c: char) -> bool {
        let word = c.is_ascii_alphanumeric() || c == '_';
        match self {
            Self::Any => true,
            Self::Name => word || "+=,.@-".contains(c),
            Self::ExternalId | Self::Serial => word || "+=,.@:/-".contains(c),
            Self::Digits => c.is_ascii_digit(),
            Self::Policy => "\t\n\r".contains(c) || (' '..='\u{ff}').contains(&c),
            // Tabs and line breaks are blanks, but no separators.
            Self::Tag => {
                let separator = c.is_whitespace() && !c.is_control();
                c.is_alphanumeric() || separator || "_.:/=+-@".contains(c)
            }
        }
    }
}

/// Collects the breaches of one call.
pub(super) struct Check<'a> {
    parameters: &'a Parameters,
    breaches: Vec<String>,
}

impl<'a> Check<'a> {
    pub(super) const fn new(parameters: &'a Parameters) -> Self {
        Self { parameters, breaches: Vec::new() }
    }

    /// Looks at a parameter by itself.
    pub(super) fn text(&mut self, limit: &Limit) {
        self.value(limit.name, &member(limit.name), limit);
    }

    /// Looks at a list: at most so many members, and the named part of each.
    pub(super) fn list(&mut self, name: &str, most: usize, part: &Limit) {
        let count = self.parameters.members(name);
        if count > most {
            self.breach(
                &format!("[{count} members]"),
                &member(name),
                &format!("Member must have length less than or equal to {most}"),
            );
        }
        let list = member(name);
        for n in 1..=count.min(most) {
            let (dot, field) = if part.name.is_empty() { ("", "") } else { (".", part.name) };
            let shown = format!("{list}.{n}.member{dot}{}", member(field));
            self.value(&format!("{name}.member.{n}{dot}{field}"), &shown, part);
        }
    }

    /// Looks at a number of seconds, and gives it.
    pub(super) fn seconds(&mut self, name: &str, least: u64, most: u64) -> Option<Duration> {
        let text = self.parameters.get(name)?;
        let bound = match text.parse::<u64>() {
            Err(_) => "Member must be an integer".to_owned(),
            Ok(n) if n < least => {
                format!("Member must have value greater than or equal to {least}")
            }
            Ok(n) if n > most => format!("Member must have value less than or equal to {most}"),
            Ok(n) => return Some(Duration::from_secs(n)),
        };
        self.breach(text, &member(name), &bound);
        None
    }

    /// Looks at the tags of a call.
    pub(super) fn tags(&mut self) {
        self.list("Tags", MOST_TAGS, &TAG_KEY);
        self.list("Tags", MOST_TAGS, &TAG_VALUE);
    }

    /// The verdict, in one sentence for all breaches.
    pub(super) fn verdict(self) -> Result<(), Refusal> {
        let (count, breaches) = (self.breaches.len(), self.breaches.join("; "));
        match count {
            0 => Ok(()),
            1 => Err(Refusal::invalid(format!("1 validation error detected: {breaches}"))),
            _ => Err(Refusal::invalid(format!("{count} validation errors detected: {breaches}"))),
        }
    }

    fn value(&mut self, name: &str, shown: &str, limit: &Limit) {
        let Some(value) = self.parameters.get(name) else {
            if limit.required {
                self.breach("null", shown, "Member must not be null");
            }
            return;
        };
        let (least, most) = limit.length;
        let length = value.chars().count();
        let all_admitted = value.chars().all(|c| limit.pattern.admits(c));
        let value = if is_secret(name) { REDACTED } else { value };
        if length < least {
            let bound = format!("Member must have length greater than or equal to {least}");
            self.breach(value, shown, &bound);
        }
        if length > most {
            let bound = format!("Member must have length less than or equal to {most}");
            self.breach(value, shown, &bound);
        }
        if !all_admitted {
            let pattern = limit.pattern.text();
            let bound = format!("Member must satisfy regular expression pattern: {pattern}");
            self.breach(value, shown, &bound);
        }
    }

    fn breach(&mut self, value: &str, member: &str, bound: &str) {
        self.breaches
            .push(format!("Value '{value}' at '{member}' failed to satisfy constraint: {bound}"));
    }
}

/// `RoleArn` is `roleArn` where STS complains about it.
fn member(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(chars).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Limit = Limit::required("Key", (1, 8), Pattern::Tag);

    fn verdict(form: &str, look: impl FnOnce(&mut Check<'_>)) -> String {
        let parameters = Parameters::parse(form.as_bytes()).unwrap();
        let mut check = Check::new(&parameters);
        look(&mut check);
        check.verdict().err().map(|refusal| refusal.message).unwrap_or_default()
    }

    #[test]
    fn a_breach_is_worded_as_sts_words_it() {
        assert_eq!(
            verdict("RoleSessionName=a%3Ab", |check| check.text(&SESSION_NAME)),
            "1 validation error detected: Value 'a:b' at 'roleSessionName' failed to satisfy \
             constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*"
        );
        assert_eq!(
            verdict("", |check| check.text(&SESSION_NAME)),
            "1 validation error detected: Value 'null' at 'roleSessionName' failed to satisfy \
             constraint: Member must not be null"
        );
    }

    #[test]
    fn a1_blanks_of_a_tag_are_separators_and_nothing_else() {
        let admits = |c| Pattern::Tag.admits(c);
        assert!(admits(' ') && admits('\u{a0}') && admits('\u{3000}') && admits('é'));
        assert!(!admits('\t') && !admits('\n') && !admits('\u{85}'));
    }

    #[test]
    fn a_secret_that_breaks_a_limit_is_not_repeated() {
        let told = verdict("TokenCode=12345a", |check| check.text(&CODE));
        assert!(told.contains("Value '[redacted]' at 'tokenCode'"), "{told}");
    }

    #[test]
    fn every_breach_is_told_at_once() {
        let told = verdict("RoleSessionName=%3A&DurationSeconds=899", |check| {
            check.text(&SESSION_NAME);
            assert_eq!(check.seconds("DurationSeconds", 900, 43200), None);
        });
        assert!(told.starts_with("3 validation errors detected: "), "{told}");
        assert!(told.contains("greater than or equal to 900"), "{told}");
    }

    #[test]
    fn lists_are_looked_at_member_by_member() {
        let told = verdict("Tags.member.1.Key=a&Tags.member.2.Key=much+too+long", |check| {
            check.list("Tags", 50, &KEY);
        });
        assert!(told.contains("at 'tags.2.member.key'"), "{told}");
        let told = verdict("Tags.member.1.Key=a&Tags.member.2.Key=b", |check| {
            check.list("Tags", 1, &KEY);
        });
        assert!(told.contains("at 'tags'"), "{told}");
    }
}
