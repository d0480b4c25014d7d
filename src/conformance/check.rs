//! Judges an answer by one test. Pure: reads no socket, knows no server.
//!
//! The answer is `Ok(None)` where the test holds, `Ok(Some(got))` where it does
//! not, and the caller's error where a value that the test needs is not there.

use std::time::SystemTime;

use jiff::Timestamp;

use super::answer::Answer;
use super::case::{Outcome, Quality, Subject, Test};
use super::template::{Values, fill, fill_pattern};
use super::{document, pattern};
use crate::clock;

/// The `Date` of an answer may be a cached one, this much behind.
const CACHED_DATE: jiff::SignedDuration = jiff::SignedDuration::from_secs(2);

/// True where the status is one of those expected.
pub(super) fn is_expected(outcomes: &[Outcome], answer: &Answer) -> bool {
    let fits = |outcome: &Outcome| match outcome {
        Outcome::Status(code) => *code == answer.code,
        Outcome::Phrase(phrase) => *phrase == answer.status(),
        Outcome::Class(class) => *class == answer.code / 100,
        Outcome::Closed => false,
    };
    outcomes.is_empty() || outcomes.iter().any(fits)
}

/// What was got instead, where the test does not hold.
pub(super) fn judge<E>(
    test: &Test,
    answer: &Answer,
    values: Values<'_, E>,
) -> Result<Option<String>, E> {
    let fault = match test {
        Test::Equals(subject, template) => {
            let wanted = fill(template, values)?;
            compare(subject, answer, |value| value == wanted)
        }
        Test::Like(subject, template) => {
            let shapes = fill_pattern(template, values)?;
            compare(subject, answer, |value| {
                shapes.split(" or ").any(|shape| pattern::fits(shape, value) == Some(true))
            })
        }
        Test::Is(subject, Quality::Not(template)) => {
            let other = fill(template, values)?;
            compare(subject, answer, |value| value != other)
        }
        Test::Is(subject, Quality::Without(template)) => {
            let part = fill(template, values)?;
            compare(subject, answer, |value| !holds(value, &part))
        }
        Test::Is(Subject::Member(name), Quality::Text) => not_text(name, answer),
        Test::Is(subject, Quality::Between(low, high)) => {
            let (low, high) = (number(&fill(low, values)?), number(&fill(high, values)?));
            compare(subject, answer, |value| {
                let value = number(value);
                value.is_some() && low <= value && value <= high
            })
        }
        Test::Is(subject, quality) => compare(subject, answer, |value| is(quality, value, answer)),
        Test::Includes(templates) => {
            let lines = templates.iter().map(|template| fill(template, values));
            let wanted = lines.collect::<Result<Vec<_>, E>>()?;
            compare(&Subject::Body, answer, |body| includes(body, &wanted))
        }
        other => form(other, answer),
    };
    Ok(fault)
}

/// The value of a subject, or what stands in its place.
pub(super) fn value(subject: &Subject, answer: &Answer) -> Result<Vec<u8>, String> {
    match subject {
        Subject::Body => Ok(answer.body.clone()),
        Subject::Field(name) => match answer.values(name).as_slice() {
            [] => Err(format!("no {name}")),
            [one] => Ok(one.as_bytes().to_vec()),
            more => Err(format!("{name} {} times", more.len())),
        },
        Subject::Member(name) => {
            let members = document::members(&answer.body)?;
            match members.get(name) {
                None => Err(format!("no member {name}")),
                Some(serde_json::Value::String(text)) => Ok(text.clone().into_bytes()),
                Some(other) => Ok(other.to_string().into_bytes()),
            }
        }
    }
}

fn compare(subject: &Subject, answer: &Answer, holds: impl Fn(&[u8]) -> bool) -> Option<String> {
    match value(subject, answer) {
        Err(instead) => Some(instead),
        Ok(value) if holds(&value) => None,
        Ok(value) => Some(shown(subject, &value)),
    }
}

fn shown(subject: &Subject, value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value).escape_debug().to_string();
    match subject {
        Subject::Body => format!("a body of {} bytes: {text}", value.len()),
        Subject::Field(name) => format!("{name}: {text}"),
        Subject::Member(name) => format!("{name} = {text}"),
    }
}

/// Tests that compare with nothing but the answer itself.
fn form(test: &Test, answer: &Answer) -> Option<String> {
    let (holds, got) = match test {
        Test::Absent(subject) => {
            let there = match subject {
                Subject::Field(name) => !answer.values(name).is_empty(),
                _ => value(subject, answer).is_ok(),
            };
            let found = value(subject, answer);
            (!there, found.map_or_else(|instead| instead, |found| shown(subject, &found)))
        }
        Test::Version(version) => (*version == answer.version, answer.version.clone()),
        Test::Fields(wanted) => {
            let names: Vec<&str> = answer.fields.iter().map(|(name, _)| name.as_str()).collect();
            let same = wanted.join(" ").eq_ignore_ascii_case(&names.join(" "));
            (same, names.join(" "))
        }
        Test::Members(wanted) => {
            let names = document::names(&answer.body);
            (is_order(wanted, &names), names.join(" "))
        }
        Test::Spelled(wanted) => {
            let alike = |name: &&String| name.eq_ignore_ascii_case(wanted);
            let found = answer.fields.iter().map(|(name, _)| name).find(alike);
            (found == Some(wanted), found.cloned().unwrap_or_else(|| format!("no {wanted}")))
        }
        Test::Within(most) => (answer.took <= *most, format!("{} ms", answer.took.as_millis())),
        Test::Final => (answer.interim == 0, format!("{} interim answers", answer.interim)),
        _ => (true, String::new()),
    };
    (!holds).then_some(got)
}

/// True where the names are those wanted, in their order; `Name?` may be missing.
fn is_order(wanted: &[String], names: &[String]) -> bool {
    let mut rest = names.iter().peekable();
    let stands = wanted.iter().all(|name| {
        let plain = name.trim_end_matches('?');
        rest.next_if(|own| *own == plain).is_some() || plain != name
    });
    stands && rest.peek().is_none()
}

fn is(quality: &Quality, value: &[u8], answer: &Answer) -> bool {
    match quality {
        Quality::Empty => value.is_empty(),
        Quality::Filled => !value.is_empty(),
        Quality::NotFoundPage => value == document::not_found_page().as_bytes(),
        Quality::Listing => is_listing(value),
        Quality::LaidOut => document::is_laid_out(value),
        Quality::Unended => !value.ends_with(b"\n") && !value.ends_with(b"\r"),
        Quality::HttpDate => http_date(value).is_some(),
        Quality::Past => ahead(value, answer).is_some_and(|ahead| ahead <= CACHED_DATE),
        Quality::Ahead(least) => ahead(value, answer).is_some_and(|ahead| {
            std::time::Duration::try_from(ahead).is_ok_and(|ahead| ahead >= *least)
        }),
        // Judged where the values of their blanks are at hand.
        Quality::Between(..) | Quality::Not(_) | Quality::Without(_) | Quality::Text => false,
        Quality::AtMostBytes(most) => value.len() <= *most,
        Quality::Harmless => is_harmless(value),
    }
}

/// True where no part of a credential set is named.
pub(super) fn is_harmless(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body);
    !["SecretAccessKey", "AccessKeyId", "\"Token\""].iter().any(|name| text.contains(name))
}

/// G11: names joined by LF, sorted by bytes, none twice, none empty.
fn is_listing(body: &[u8]) -> bool {
    let lines: Vec<&[u8]> = body.split(|byte| *byte == b'\n').collect();
    lines.iter().all(|line| !line.is_empty() && !line.contains(&b'\r'))
        && lines.is_sorted_by(|a, b| a < b)
}

fn holds(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len().max(1)).any(|window| window == part)
}

fn not_text(name: &str, answer: &Answer) -> Option<String> {
    match document::members(&answer.body) {
        Err(instead) => Some(instead.to_owned()),
        Ok(members) => match members.get(name) {
            Some(serde_json::Value::String(_)) => None,
            Some(_) => Some(format!("a {name} that is no string")),
            None => Some(format!("no member {name}")),
        },
    }
}

fn includes(body: &[u8], wanted: &[Vec<u8>]) -> bool {
    let mut lines = body.split(|byte| *byte == b'\n');
    wanted.iter().all(|name| lines.any(|line| line == name))
}

fn number(text: &[u8]) -> Option<u64> {
    str::from_utf8(text).ok()?.parse().ok()
}

/// How far a time lies behind the answer's own `Date`, so that no clock of ours counts.
fn ahead(value: &[u8], answer: &Answer) -> Option<jiff::SignedDuration> {
    let date = http_date(answer.value("Date")?.as_bytes())?;
    Some(clock::difference(time(value)?, date))
}

fn time(value: &[u8]) -> Option<Timestamp> {
    http_date(value).or_else(|| str::from_utf8(value).ok()?.parse().ok())
}

/// The RFC 1123 form only; the two older ones do not come back as they were.
fn http_date(value: &[u8]) -> Option<Timestamp> {
    let text = str::from_utf8(value).ok()?;
    let date: SystemTime = httpdate::parse_http_date(text).ok()?;
    (httpdate::fmt_http_date(date) == text).then(|| Timestamp::try_from(date).ok())?
}

#[cfg(test)]
mod tests {
    use super::super::expect;
    use super::*;

    const DATE: &str = "Thu, 05 Nov 2026 10:00:00 GMT";

    fn answer(body: &str) -> Answer {
        let head =
            format!("HTTP/1.1 404 Not Found\r\nDate: {DATE}\r\nX: 7\r\nY: a\r\nY: b\r\n\r\n");
        let mut answer = Answer::parse_head(head.as_bytes()).unwrap();
        answer.body = body.as_bytes().to_vec();
        answer
    }

    fn holds(line: &str, body: &str) -> bool {
        let mut values = |name: &str| match name {
            "seven" => Ok(b"7".to_vec()),
            other => Err(other.to_owned()),
        };
        let test = expect::check(line).unwrap_or_else(|| panic!("{line}")).test;
        judge(&test, &answer(body), &mut values).unwrap().is_none()
    }

    #[test]
    fn each_test_holds_and_fails() {
        for (line, right, wrong) in [
            ("body is empty", "", "x"),
            ("body is not empty", "x", ""),
            ("body = a{seven}\\n", "a7\n", "a7"),
            ("body like [a-z]{2}", "ab", "abc"),
            ("body is a listing", "a\nb/\nc", "a\nb\n"),
            ("body is a listing", "a", "b\na"),
            ("body is a listing", "a", "a\na"),
            ("body is without a final newline", "a\nb", "a\n"),
            ("body is at most 3 bytes", "abc", "abcd"),
            ("body is between 3 and {seven}", "7", "8"),
            ("body is between 3 and {seven}", "3", "x"),
            ("body is no credentials", "{}", "{\"SecretAccessKey\" : 1}"),
            ("body is an HTTP date", DATE, "Thursday, 05-Nov-26 10:00:00 GMT"),
            ("body is past", "2026-11-05T10:00:00Z", "2026-11-05T10:00:05Z"),
            ("body is 25 minutes ahead", "2026-11-05T10:25:00Z", "2026-11-05T10:24:59Z"),
            ("body is 25 minutes ahead", "2026-11-05T10:25:00Z", "soon"),
            ("body is laid out as EC2 does", "{\n  \"a\" : 1\n}", "{\"a\":1}"),
            ("lines include: a {seven}", "a\nb\n7", "7\na"),
            ("body is not {seven}", "8", "7"),
            ("body is without b{seven}", "a7b", "ab7"),
            ("json.a is a text", "{\"a\":\"1\"}", "{\"a\":1}"),
            ("body like b or a[0-9]", "a1", "c"),
            ("json.a = x", "{\"a\":\"x\"}", "{\"a\":\"y\"}"),
            ("json.a = null", "{\"a\":null}", "{}"),
            ("no json.a", "{\"b\":1}", "{\"a\":1}"),
            ("members in order: b a", "{\"b\":1,\"a\":2}", "{\"a\":1,\"b\":2}"),
            ("members in order: b a?", "{\"b\":1}", "{\"a\":1}"),
            ("members in order: b a?", "{\"b\":1,\"a\":1}", "{\"b\":1,\"c\":1}"),
        ] {
            assert!(holds(line, right), "{line}: {right}");
            assert!(!holds(line, wrong), "{line}: {wrong}");
        }
    }

    #[test]
    fn fields_are_judged_by_name_count_and_order() {
        for (line, expected) in [
            ("X: 7", true),
            ("x-y-z: 7", false),
            ("Y: a", false),
            ("X: 8", false),
            ("no Z", true),
            ("no Y", false),
            ("Date is an HTTP date", true),
            ("X is between 1 and 7", true),
            ("fields in order: Date X Y Y", true),
            ("fields in order: X Date Y Y", false),
            ("spelled Date", true),
            ("spelled X-Y", false),
            ("version HTTP/1.1", true),
            ("version HTTP/1.0", false),
        ] {
            assert_eq!(expect::check(line).is_some() && holds(line, ""), expected, "{line}");
        }
    }

    #[test]
    fn the_status_is_one_of_those_expected() {
        for (line, expected) in [
            ("any", true),
            ("404 Not Found", true),
            ("404 not found", false),
            ("200 or 4xx", true),
            ("closed", false),
            ("200 or 403", false),
        ] {
            let outcomes = expect::outcomes(line).unwrap().outcomes;
            assert_eq!(is_expected(&outcomes, &answer("")), expected, "{line}");
        }
    }
}
