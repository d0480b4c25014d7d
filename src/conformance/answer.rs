//! An answer as it came: status line, fields in order, body. Judges nothing.

use std::time::Duration;

/// One reply of the server.
#[derive(Debug, Clone, Default)]
pub(super) struct Answer {
    pub(super) version: String,
    pub(super) code: u16,
    pub(super) reason: String,
    /// Names as spelled, values trimmed, in the order of the wire.
    pub(super) fields: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// How many 1xx came before.
    pub(super) interim: usize,
    pub(super) took: Duration,
}

impl Answer {
    /// Reads a head up to and with its empty line; the error says what is wrong.
    pub(super) fn parse_head(head: &[u8]) -> Result<Self, &'static str> {
        let text = String::from_utf8_lossy(head);
        let mut lines = text.trim_end_matches("\r\n").split("\r\n");
        let mut answer = status(lines.next().unwrap_or_default())?;
        for line in lines {
            let (name, value) = line.split_once(':').ok_or("a field without a colon")?;
            if name.is_empty() || name.contains(char::is_whitespace) {
                return Err("a field name with a space");
            }
            answer.fields.push((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()));
        }
        Ok(answer)
    }

    /// All values of a field, whatever the case of its name.
    pub(super) fn values(&self, name: &str) -> Vec<&str> {
        let same = self.fields.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name));
        same.map(|(_, value)| value.as_str()).collect()
    }

    /// The one value of a field that stands there once.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        match self.values(name).as_slice() {
            [one] => Some(one),
            _ => None,
        }
    }

    pub(super) fn is_chunked(&self) -> bool {
        let codings = self.values("Transfer-Encoding");
        codings.iter().any(|coding| coding.to_ascii_lowercase().contains("chunked"))
    }

    /// The length that the head states, if it does.
    pub(super) fn length(&self) -> Result<Option<usize>, &'static str> {
        match self.values("Content-Length").as_slice() {
            [] => Ok(None),
            [one] => one.parse().map(Some).map_err(|_| "a Content-Length that is no number"),
            _ => Err("more than one Content-Length"),
        }
    }

    /// The status line without its version, as `404 Not Found`.
    pub(super) fn status(&self) -> String {
        format!("{} {}", self.code, self.reason)
    }
}

fn status(line: &str) -> Result<Answer, &'static str> {
    let (version, rest) = line.split_once(' ').ok_or("no status line")?;
    let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
    if code.len() != 3 || !version.starts_with("HTTP/") {
        return Err("no status line");
    }
    Ok(Answer {
        version: version.to_owned(),
        code: code.parse().map_err(|_| "no status line")?,
        reason: reason.to_owned(),
        ..Answer::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_kept_as_it_came() {
        let head = b"HTTP/1.1 405 Not Allowed\r\nALLOW: GET \r\nallow: HEAD\r\nX:\r\n\r\n";
        let answer = Answer::parse_head(head).unwrap();
        assert_eq!(answer.status(), "405 Not Allowed");
        assert_eq!(answer.fields.first().unwrap(), &("ALLOW".to_owned(), "GET".to_owned()));
        assert_eq!(answer.values("Allow"), ["GET", "HEAD"]);
        assert_eq!((answer.value("allow"), answer.value("x")), (None, Some("")));
    }

    #[test]
    fn noise_is_no_head() {
        for head in [
            "HTTP/1.1",
            "HTTP/1.1 20 OK",
            "SSH-2.0 200 OK",
            "HTTP/1.1 200 OK\r\nnonsense",
            "HTTP/1.1 200 OK\r\na b: c",
        ] {
            assert!(Answer::parse_head(format!("{head}\r\n\r\n").as_bytes()).is_err(), "{head}");
        }
    }
}
