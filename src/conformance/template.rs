//! Bytes with blanks: how a case writes what is only known at run time.
//!
//! `{name}` is a value; `{name!7}` the value with byte 7 replaced, `{name-1}`
//! without its last byte, `{a*900}` nine hundred times `a`, `{fields*101}` as
//! many header fields. `\r \n \t \\ \x00` are bytes. A brace before anything
//! but a letter stands for itself. Where values come from is not known here.

/// One piece of a template.
enum Piece<'a> {
    Text(&'a str),
    Blank(&'a str),
}

/// Gives the value of a name, or why there is none.
pub(super) type Values<'a, E> = &'a mut dyn FnMut(&str) -> Result<Vec<u8>, E>;

/// The bytes to send or to compare with.
pub(super) fn fill<E>(text: &str, values: Values<'_, E>) -> Result<Vec<u8>, E> {
    render(text, values, |piece| unescape(piece.as_bytes()), |value| value)
}

/// A pattern in which values stand for themselves, whatever signs they hold.
pub(super) fn fill_pattern<E>(text: &str, values: Values<'_, E>) -> Result<String, E> {
    let quote = |value: Vec<u8>| {
        let mut quoted = Vec::with_capacity(2 * value.len());
        for byte in value {
            if !byte.is_ascii_alphanumeric() {
                quoted.push(b'\\');
            }
            quoted.push(byte);
        }
        quoted
    };
    let filled = render(text, values, |piece| piece.as_bytes().to_vec(), quote)?;
    Ok(String::from_utf8_lossy(&filled).into_owned())
}

/// For the reader: values in place, escapes as written.
pub(super) fn fill_shown<E>(text: &str, values: Values<'_, E>) -> Result<Vec<u8>, E> {
    render(text, values, |piece| piece.as_bytes().to_vec(), |value| value)
}

/// The names that a template asks for, their operators dropped.
#[cfg(test)]
pub(super) fn names(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut note = |name: &str| {
        found.push(name.to_owned());
        Ok::<_, ()>(Vec::new())
    };
    let _ = fill(text, &mut note);
    found
}

fn render<E>(
    text: &str,
    values: Values<'_, E>,
    plain: impl Fn(&str) -> Vec<u8>,
    quote: impl Fn(Vec<u8>) -> Vec<u8>,
) -> Result<Vec<u8>, E> {
    let mut filled = Vec::new();
    let mut rest = text;
    while let Some((piece, after)) = next(rest) {
        match piece {
            Piece::Text(text) => filled.extend(plain(text)),
            Piece::Blank(blank) => filled.extend(quote(value(blank, values)?)),
        }
        rest = after;
    }
    Ok(filled)
}

fn next(rest: &str) -> Option<(Piece<'_>, &str)> {
    if let Some(inside) = rest.strip_prefix('{')
        && inside.starts_with(|first: char| first.is_ascii_lowercase())
        && let Some((blank, after)) = inside.split_once('}')
    {
        return Some((Piece::Blank(blank), after));
    }
    let skip = rest.chars().next()?.len_utf8();
    let (_, behind) = rest.split_at_checked(skip)?;
    let length = skip + behind.find('{').unwrap_or(behind.len());
    let (text, after) = rest.split_at_checked(length)?;
    Some((Piece::Text(text), after))
}

fn value<E>(blank: &str, values: Values<'_, E>) -> Result<Vec<u8>, E> {
    if let Some((what, count)) = operands(blank, '*') {
        return Ok(repeated(what, count));
    }
    if let Some((name, at)) = operands(blank, '!') {
        let mut value = values(name)?;
        // Counted round, for other servers' tokens are shorter.
        let at = at % value.len().max(1);
        if let Some(byte) = value.get_mut(at) {
            *byte = if *byte == b'A' { b'B' } else { b'A' };
        }
        return Ok(value);
    }
    if let Some((name, count)) = operands(blank, '-') {
        let mut value = values(name)?;
        value.truncate(value.len().saturating_sub(count));
        return Ok(value);
    }
    values(blank)
}

fn operands(blank: &str, sign: char) -> Option<(&str, usize)> {
    let (name, number) = blank.split_once(sign)?;
    Some((name, number.parse().ok()?))
}

fn repeated(what: &str, count: usize) -> Vec<u8> {
    if what == "fields" {
        let lines = (0..count).map(|number| format!("X-Field-{number}: {number}\r\n"));
        return lines.collect::<String>().into_bytes();
    }
    what.repeat(count).into_bytes()
}

fn unescape(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let (byte, used) = match (first, after) {
            (b'\\', [b'r', ..]) => (b'\r', 1),
            (b'\\', [b'n', ..]) => (b'\n', 1),
            (b'\\', [b't', ..]) => (b'\t', 1),
            (b'\\', [b'\\', ..]) => (b'\\', 1),
            (b'\\', [b'x', high, low, ..]) => (hex(*high) << 4 | hex(*low), 3),
            _ => (*first, 0),
        };
        bytes.push(byte);
        rest = after.get(used..).unwrap_or_default();
    }
    bytes
}

fn hex(digit: u8) -> u8 {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> String {
        let mut values = |name: &str| match name {
            "token" => Ok(b"abc=".to_vec()),
            other => Err(other.to_owned()),
        };
        match fill(text, &mut values) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(name) => format!("no {name}"),
        }
    }

    #[test]
    fn blanks_are_filled_and_escapes_are_bytes() {
        for (text, expected) in [
            ("x {token} y", "x abc= y"),
            ("{token!1}{token!5}{token-1}", "aAc=aAc=abc"),
            ("{a*4}", "aaaa"),
            ("{fields*2}", "X-Field-0: 0\r\nX-Field-1: 1\r\n"),
            ("a\\r\\n\\t\\x41\\\\", "a\r\n\tA\\"),
            ("{\\n  \"Code\" : {8}}", "{\n  \"Code\" : {8}}"),
            ("{role}", "no role"),
            ("a{token", "a{token"),
        ] {
            assert_eq!(filled(text), expected, "{text}");
        }
    }

    #[test]
    fn a_value_in_a_pattern_stands_for_itself() {
        let mut values = |_: &str| Ok::<_, ()>(b"a.b".to_vec());
        let pattern = fill_pattern("{region}[0-9]{2}\\.", &mut values);
        assert_eq!(pattern.unwrap(), "a\\.b[0-9]{2}\\.");
    }

    #[test]
    fn names_are_known_before_the_run() {
        assert_eq!(names("{token!3} {a*4} {role-1}{x}"), ["token", "role", "x"]);
    }
}
