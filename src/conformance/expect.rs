//! Reads the `<` lines of a case: what the answer must be.
//!
//! docs/conformance.md is the grammar for its readers; this file is the grammar.

use std::time::Duration;

use super::case::{Check, Expected, Outcome, Quality, Subject, Test};

/// `200`, `405 Not Allowed`, `4xx`, `404 or closed`, `any`; `None`: not such a line.
pub(super) fn outcomes(line: &str) -> Option<Expected> {
    let outcomes = match line {
        "any" => Vec::new(),
        _ => line.split(" or ").map(outcome).collect::<Option<_>>()?,
    };
    Some(Expected { shown: line.to_owned(), outcomes, checks: Vec::new() })
}

fn outcome(text: &str) -> Option<Outcome> {
    if text == "closed" {
        return Some(Outcome::Closed);
    }
    if let Some(class) = text.strip_suffix("xx") {
        return class.parse().ok().map(Outcome::Class);
    }
    let (code, reason) = text.split_once(' ').unwrap_or((text, ""));
    let code: u16 = code.parse().ok().filter(|_| code.len() == 3)?;
    Some(match reason {
        "" => Outcome::Status(code),
        _ => Outcome::Phrase(text.to_owned()),
    })
}

/// Any other `<` line; `None` where it says nothing known.
pub(super) fn check(line: &str) -> Option<Check> {
    let (only, rest) = match line.strip_prefix("if ") {
        Some(condition) => {
            let (code, rest) = condition.split_once(": ")?;
            (Some(code.parse().ok()?), rest)
        }
        None => (None, line),
    };
    Some(Check {
        shown: line.to_owned(),
        only,
        test: whole(rest).or_else(|| spoken(rest)).or_else(|| equal(rest))?,
    })
}

/// Lines that begin with a word of their own.
fn whole(line: &str) -> Option<Test> {
    match line {
        "then closed" => return Some(Test::Closes),
        "no interim answer" => return Some(Test::Final),
        _ => {}
    }
    if let Some(rest) = line.strip_prefix("keep ") {
        let (name, from) = rest.split_once(" = ")?;
        return Some(Test::Keep(name.to_owned(), subject(from)?));
    }
    if let Some(rest) = line.strip_prefix("within ") {
        let millis = rest.strip_suffix(" ms")?.parse().ok()?;
        return Some(Test::Within(Duration::from_millis(millis)));
    }
    let list = [
        ("fields in order: ", Test::Fields as fn(Vec<String>) -> Test),
        ("members in order: ", Test::Members),
        ("lines include: ", Test::Includes),
    ]
    .iter()
    .find_map(|(word, make)| {
        let names = line.strip_prefix(word)?;
        Some(make(names.split_whitespace().map(str::to_owned).collect()))
    });
    list.or_else(|| line.strip_prefix("no ").and_then(subject).map(Test::Absent))
        .or_else(|| line.strip_prefix("version ").map(|version| Test::Version(version.to_owned())))
        .or_else(|| line.strip_prefix("spelled ").map(|name| Test::Spelled(name.to_owned())))
}

/// `SUBJECT like PATTERN` and `SUBJECT is QUALITY`.
fn spoken(line: &str) -> Option<Test> {
    let (first, rest) = line.split_once(' ')?;
    let subject = subject(first)?;
    if let Some(pattern) = rest.strip_prefix("like ") {
        return Some(Test::Like(subject, pattern.to_owned()));
    }
    Some(Test::Is(subject, quality(rest.strip_prefix("is ")?)?))
}

/// `Name: value` and `SUBJECT = value`; nothing behind the sign is the empty value.
fn equal(line: &str) -> Option<Test> {
    if let Some((left, right)) = line.split_once(" = ")
        && let Some(subject) = subject(left)
    {
        return Some(Test::Equals(subject, right.to_owned()));
    }
    let (name, value) = line.split_once(':')?;
    Some(Test::Equals(subject(name)?, value.trim_start().to_owned()))
}

fn subject(text: &str) -> Option<Subject> {
    if text == "body" {
        return Some(Subject::Body);
    }
    if let Some(member) = text.strip_prefix("json.") {
        return Some(Subject::Member(member.to_owned()));
    }
    let is_field = text.starts_with(|first: char| first.is_ascii_uppercase())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    is_field.then(|| Subject::Field(text.to_owned()))
}

fn quality(text: &str) -> Option<Quality> {
    Some(match text {
        "empty" => Quality::Empty,
        "not empty" => Quality::Filled,
        "the 404 page" => Quality::NotFoundPage,
        "a listing" => Quality::Listing,
        "laid out as EC2 does" => Quality::LaidOut,
        "without a final newline" => Quality::Unended,
        "an HTTP date" => Quality::HttpDate,
        "past" => Quality::Past,
        "no credentials" => Quality::Harmless,
        "a text" => Quality::Text,
        _ => return measured(text),
    })
}

/// Qualities with numbers in them.
fn measured(text: &str) -> Option<Quality> {
    if let Some(range) = text.strip_prefix("between ") {
        let (low, high) = range.split_once(" and ")?;
        return Some(Quality::Between(low.to_owned(), high.to_owned()));
    }
    if let Some(bytes) = text.strip_prefix("at most ") {
        return Some(Quality::AtMostBytes(bytes.strip_suffix(" bytes")?.parse().ok()?));
    }
    if let Some(other) = text.strip_prefix("not ") {
        return Some(Quality::Not(other.to_owned()));
    }
    if let Some(part) = text.strip_prefix("without ") {
        return Some(Quality::Without(part.to_owned()));
    }
    let minutes: u64 = text.strip_suffix(" minutes ahead")?.parse().ok()?;
    Some(Quality::Ahead(Duration::from_secs(60 * minutes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str) -> Subject {
        Subject::Field(name.to_owned())
    }

    #[test]
    fn a_status_line_may_have_several_ways_out() {
        let read = |line| outcomes(line).map(|expected| expected.outcomes);
        assert_eq!(read("any"), Some(vec![]));
        assert_eq!(
            read("404 or 4xx or closed"),
            Some(vec![Outcome::Status(404), Outcome::Class(4), Outcome::Closed])
        );
        assert_eq!(
            read("405 Not Allowed"),
            Some(vec![Outcome::Phrase("405 Not Allowed".to_owned())])
        );
        assert_eq!(read("Server: EC2ws"), None);
        assert_eq!(read("body is empty"), None);
    }

    #[test]
    fn a_line_says_what_it_looks_at() {
        for (line, test) in [
            ("Server: EC2ws", Test::Equals(field("Server"), "EC2ws".to_owned())),
            ("Allow:", Test::Equals(field("Allow"), String::new())),
            ("no ETag", Test::Absent(field("ETag"))),
            ("body = a: b", Test::Equals(Subject::Body, "a: b".to_owned())),
            ("body is empty", Test::Is(Subject::Body, Quality::Empty)),
            (
                "json.Type = AWS-HMAC",
                Test::Equals(Subject::Member("Type".to_owned()), "AWS-HMAC".to_owned()),
            ),
            ("Date is an HTTP date", Test::Is(field("Date"), Quality::HttpDate)),
            ("then closed", Test::Closes),
            ("keep value = body", Test::Keep("value".to_owned(), Subject::Body)),
            ("fields in order: A B", Test::Fields(vec!["A".to_owned(), "B".to_owned()])),
        ] {
            assert_eq!(check(line).map(|check| check.test), Some(test), "{line}");
        }
        assert_eq!(check("if 200: body is empty").unwrap().only, Some(200));
    }

    #[test]
    fn a_line_that_says_nothing_known_is_refused() {
        for line in
            ["body is pretty", "nonsense", "within 3 s", "keep x", "if x: body is empty", "body"]
        {
            assert!(check(line).is_none(), "{line}");
        }
    }
}
