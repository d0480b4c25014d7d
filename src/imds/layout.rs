//! JSON as the metadata service lays it out, byte for byte (C3, C5, M4).
//!
//! Two blanks of indent, blanks on both sides of the colon, one member a line,
//! in the order given, no line feed at the end. Serialisers do none of this.

use std::fmt::Write as _;

use bytes::Bytes;
use jiff::Timestamp;
use zeroize::Zeroizing;

/// What a member may hold.
#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    /// Text, which may be secret.
    Text(&'a str),
    /// A moment, in whole seconds and UTC (C6).
    Time(Timestamp),
    /// A member that is there without a value.
    Null,
}

impl Value<'_> {
    /// At least as many bytes as it takes.
    fn room(self) -> usize {
        match self {
            Self::Text(text) => {
                2 + text.len() + 5 * text.chars().filter(|c| needs_escape(*c)).count()
            }
            Self::Time(_) | Self::Null => 32,
        }
    }
}

/// Renders a document into memory that is wiped with its last reader.
pub(super) fn render(members: &[(&str, Value<'_>)]) -> Bytes {
    // With room for all of it the text never moves, and leaves no copy of a secret behind.
    let room = members.iter().map(|(name, value)| name.len() + 10 + value.room()).sum::<usize>();
    let mut text = Zeroizing::new(String::with_capacity(4 + room));
    let mut separator = "{\n";
    for (name, value) in members {
        text.push_str(separator);
        write_member(&mut text, name, *value).expect("a String takes all text");
        separator = ",\n";
    }
    text.push_str("\n}");
    Bytes::from_owner(text)
}

fn write_member(out: &mut String, name: &str, value: Value<'_>) -> std::fmt::Result {
    write!(out, "  \"{name}\" : ")?;
    match value {
        Value::Null => out.write_str("null"),
        Value::Time(at) => write!(out, "\"{}\"", whole_seconds(at)),
        Value::Text(text) => {
            out.push('"');
            text.chars().try_for_each(|c| write_char(out, c))?;
            out.write_char('"')
        }
    }
}

/// Only what JSON requires: slashes and plus signs stay raw (C8).
const fn needs_escape(c: char) -> bool {
    matches!(c, '"' | '\\' | '\0'..='\x1f')
}

fn write_char(out: &mut String, c: char) -> std::fmt::Result {
    match c {
        '"' | '\\' => write!(out, "\\{c}"),
        control if needs_escape(control) => write!(out, "\\u{:04x}", u32::from(control)),
        plain => out.write_char(plain),
    }
}

fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value as Json;

    use super::*;

    #[test]
    fn c3_the_layout_is_that_of_the_wire() {
        let at = "2024-05-06T07:08:09.987654321Z".parse().unwrap();
        let document = render(&[
            ("Code", Value::Text("Success")),
            ("LastUpdated", Value::Time(at)),
            ("kernelId", Value::Null),
        ]);
        let expected = "{\n  \"Code\" : \"Success\",\n  \"LastUpdated\" : \"2024-05-06T07:08:09Z\",\n  \"kernelId\" : null\n}";
        assert_eq!(document, expected.as_bytes());
    }

    #[test]
    fn c8_only_what_json_requires_is_escaped() {
        let document = render(&[("Token", Value::Text("a/b+c=\"\\\n\u{7f}é"))]);
        assert_eq!(document, "{\n  \"Token\" : \"a/b+c=\\\"\\\\\\u000a\u{7f}é\"\n}".as_bytes());
    }

    proptest! {
        #[test]
        fn what_was_put_in_comes_out(one in any::<String>(), two in ".*", second in 0_i64..4_000_000_000) {
            let at = Timestamp::from_second(second).unwrap();
            let document = render(&[
                ("One", Value::Text(&one)), ("At", Value::Time(at)), ("Two", Value::Text(&two)),
            ]);
            let read: Json = serde_json::from_slice(&document).unwrap();
            prop_assert_eq!(&read["One"], &Json::from(one));
            prop_assert_eq!(&read["Two"], &Json::from(two));
            prop_assert_eq!(read["At"].as_str().unwrap().parse::<Timestamp>().unwrap(), at);
        }

        #[test]
        fn the_text_never_outgrows_its_room(text in any::<String>()) {
            let value = Value::Text(&text);
            let mut out = String::new();
            write_member(&mut out, "Name", value).unwrap();
            prop_assert!(out.len() + 2 <= "Name".len() + 10 + value.room());
        }
    }
}
