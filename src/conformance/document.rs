//! JSON bodies and the 404 page, as far as their bytes are a rule.
//!
//! `serde_json` says what a value is; the order of the members and the layout
//! (C3) it does not keep, so they are read from the text here.

use serde_json::{Map, Value};

/// The members of a JSON object, or why there are none.
pub(super) fn members(body: &[u8]) -> Result<Map<String, Value>, &'static str> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err("JSON, but no object"),
        Err(_) => Err("no JSON"),
    }
}

/// The names of the top-level members as they come, repeated ones too.
pub(super) fn names(body: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    let mut depth = 0_usize;
    let mut rest = body;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => {
                let length = string_length(rest);
                let (text, behind) = rest.split_at_checked(length).unwrap_or((rest, &[]));
                rest = behind.get(1..).unwrap_or_default();
                if depth == 1 && rest.trim_ascii_start().first() == Some(&b':') {
                    found.push(String::from_utf8_lossy(text).into_owned());
                }
            }
            _ => {}
        }
    }
    found
}

/// How far it is to the quote that ends the string.
fn string_length(rest: &[u8]) -> usize {
    let mut escaped = false;
    let end = rest.iter().position(|byte| {
        let ends = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        ends
    });
    end.unwrap_or(rest.len())
}

/// C3: one member a line, two spaces before it, ` : ` in it, no LF at the end.
pub(super) fn is_laid_out(body: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(body) else {
        return false;
    };
    let inner = text.strip_prefix("{\n").and_then(|rest| rest.strip_suffix("\n}"));
    let Some(inner) = inner else {
        return false;
    };
    let count = inner.split('\n').count();
    inner.split('\n').enumerate().all(|(at, line)| {
        let line = if at + 1 < count { line.strip_suffix(',') } else { Some(line) };
        line.is_some_and(is_member)
    })
}

fn is_member(line: &str) -> bool {
    let Some((name, value)) = line.split_once(" : ") else {
        return false;
    };
    let quoted = name.strip_prefix("  \"").and_then(|name| name.strip_suffix('"'));
    let unpadded = value.trim() == value && !value.ends_with(',');
    quoted.is_some_and(|name| !name.contains('"'))
        && unpadded
        && serde_json::from_str::<Value>(value).is_ok()
}

/// E1: lighttpd's page in the indent that EC2 gives it, 339 bytes.
pub(super) fn not_found_page() -> String {
    let title = "404 - Not Found";
    let dtd = "xhtml1/DTD/xhtml1-transitional.dtd";
    [
        "<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>",
        "<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Transitional//EN\"",
        &format!("\t\t \"http://www.w3.org/TR/{dtd}\">"),
        "<html xmlns=\"http://www.w3.org/1999/xhtml\" xml:lang=\"en\" lang=\"en\">",
        " <head>",
        &format!("  <title>{title}</title>"),
        " </head>",
        " <body>",
        &format!("  <h1>{title}</h1>"),
        " </body>",
        "</html>",
        "",
    ]
    .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_404_page_is_the_recorded_one() {
        let page = not_found_page();
        assert_eq!(page.len(), 339);
        let digest = ring::digest::digest(&ring::digest::SHA256, page.as_bytes());
        let hex =
            digest.as_ref().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        assert_eq!(hex, "3f92bfc0961a4bf4e83938c708afb562018c698f4a2775acc4d59879c33aa39c");
    }

    #[test]
    fn names_keep_their_order_and_their_doubles() {
        let body = br#"{"b": {"x": 1}, "a" : ["q", "r"], "c": "\"d\": 1", "b": 2}"#;
        assert_eq!(names(body), ["b", "a", "c", "b"]);
        assert_eq!(names(b"{\"a"), Vec::<String>::new());
    }

    #[test]
    fn one_space_makes_another_layout() {
        let good = "{\n  \"Code\" : \"Success\",\n  \"List\" : null\n}";
        assert!(is_laid_out(good.as_bytes()));
        for (from, to) in [
            ("\n}", "\n}\n"),
            (" : ", ": "),
            ("  \"", " \""),
            (",\n", "\n"),
            ("null", "null,"),
            ("null", "nil"),
        ] {
            let bad = good.replacen(from, to, 1);
            assert!(!is_laid_out(bad.as_bytes()), "{bad}");
        }
    }
}
