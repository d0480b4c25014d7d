//! The parameters of a call: names and values, percent-encoded, of a form or a query.
//!
//! Knows how lists are spelt (`Tags.member.1.Key`), and not what any of them means.

use std::collections::BTreeMap;

use super::refusal::{Code, Refusal};

const MOST: usize = 1024;

/// What is shown of a secret parameter.
pub(super) const REDACTED: &str = "[redacted]";

/// Whether a parameter is a code, a token or an assertion, which nobody may be shown.
pub(super) fn is_secret(name: &str) -> bool {
    ["TokenCode", "WebIdentityToken", "SAMLAssertion"].contains(&name)
        || name.ends_with(".ContextAssertion")
}

/// What a call was given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Parameters(BTreeMap<String, String>);

impl Parameters {
    /// Reads `a=1&b=2`; of two with one name the first counts.
    pub(super) fn parse(form: &[u8]) -> Result<Self, Refusal> {
        let malformed = || Refusal::plain(Code::MalformedQueryString);
        let form = std::str::from_utf8(form).map_err(|_| malformed())?;
        let mut parameters = BTreeMap::new();
        for (name, value) in pairs(form) {
            let decode = |text: &str| decoded(&text.replace('+', " ")).ok_or_else(malformed);
            let value = decode(value)?;
            parameters.entry(decode(name)?).or_insert(value);
        }
        if parameters.len() > MOST { Err(malformed()) } else { Ok(Self(parameters)) }
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// How many members the list `name` has, numbered from 1 without a gap.
    pub(super) fn members(&self, name: &str) -> usize {
        (1..=self.0.len()).take_while(|n| self.has_member(&format!("{name}.member.{n}"))).count()
    }

    fn has_member(&self, member: &str) -> bool {
        let from = member.to_owned();
        self.0
            .range(from..)
            .take_while(|(name, _)| name.starts_with(member))
            .any(|(name, _)| matches!(name.as_bytes().get(member.len()), None | Some(b'.')))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// The parts of `a=1&b=2&c`, still encoded.
pub(super) fn pairs(form: &str) -> impl Iterator<Item = (&str, &str)> {
    form.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// `%41` becomes `A`; `None` where the result is no text.
pub(super) fn decoded(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => hex(bytes.next()?)? * 16 + hex(bytes.next()?)?,
            other => other,
        });
    }
    String::from_utf8(out).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|n| u8::try_from(n).ok())
}

/// The two hexadecimal digits of a byte, in lower case.
pub(super) fn hex_digits(byte: u8) -> [char; 2] {
    [byte >> 4, byte & 15].map(|n| char::from_digit(n.into(), 16).unwrap_or('0'))
}

/// Everything but RFC 3986's unreserved characters becomes `%XX`, as SigV4 wants it.
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.extend(hex_digits(byte).map(|digit| digit.to_ascii_uppercase()));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(form: &str) -> Option<Parameters> {
        Parameters::parse(form.as_bytes()).ok()
    }

    #[test]
    fn a_form_is_decoded() {
        let form = parse("Action=AssumeRole&Name=a%2Fb+c%C3%A9&Empty=&Action=Other").unwrap();
        assert_eq!(form.get("Action"), Some("AssumeRole"));
        assert_eq!(form.get("Name"), Some("a/b cé"));
        assert_eq!(form.get("Empty"), Some(""));
        assert_eq!(form.get("Absent"), None);
    }

    #[test]
    fn what_is_no_text_is_refused() {
        for form in ["a=%", "a=%4", "a=%zz", "a=%ff"] {
            assert_eq!(parse(form), None, "{form}");
        }
    }

    #[test]
    fn members_are_counted_without_a_gap() {
        let form: Vec<_> = (1..=11).map(|n| format!("Tags.member.{n}.Key=k")).collect();
        let form = parse(&form.join("&")).unwrap();
        assert_eq!(form.members("Tags"), 11);
        assert_eq!(form.members("PolicyArns"), 0);
        let form = parse("Keys.member.1=a&Keys.member.3=c").unwrap();
        assert_eq!(form.members("Keys"), 1);
    }

    #[test]
    fn encoding_is_undone_by_decoding() {
        let text = "a b/+=&é~";
        assert_eq!(encoded(text), "a%20b%2F%2B%3D%26%C3%A9~");
        assert_eq!(decoded(&encoded(text)).as_deref(), Some(text));
    }
}
