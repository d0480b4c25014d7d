//! Reads the `>` lines of a case: the bytes that are sent.
//!
//! `> GET /path with token, keep-alive` is a request written short, lines with
//! `>` and more space are its further fields, and `>>` is bytes as they are:
//! behind a short request its body, otherwise a request with nothing added.

use super::case::Request;

/// A request whose lines are still coming.
#[derive(Debug, Default)]
pub(super) struct Draft {
    line: Option<String>,
    method: String,
    fields: Vec<String>,
    raw: String,
    hostless: bool,
}

impl Draft {
    /// Takes the first line of a short request, without its `> `.
    pub(super) fn open(text: &str) -> Option<Self> {
        let (line, extras) = text.split_once(" with ").unwrap_or((text, ""));
        let mut words = line.split(' ');
        let (method, target) = (words.next()?, words.next()?);
        let version = words.next().unwrap_or("HTTP/1.1");
        if words.next().is_some() {
            return None;
        }
        let mut draft = Self {
            line: Some(format!("{method} {target} {version}")),
            method: method.to_owned(),
            ..Self::default()
        };
        for extra in extras.split(", ").filter(|extra| !extra.is_empty()) {
            draft.extra(extra)?;
        }
        Some(draft)
    }

    /// A request of raw bytes only.
    pub(super) fn raw(text: &str) -> Self {
        Self {
            method: text.split(' ').next().unwrap_or_default().to_owned(),
            raw: text.to_owned(),
            ..Self::default()
        }
    }

    pub(super) fn add_field(&mut self, text: &str) {
        self.hostless |= text.to_ascii_lowercase().starts_with("host");
        self.fields.push(text.to_owned());
    }

    pub(super) fn add_raw(&mut self, text: &str) {
        self.raw.push_str(text);
    }

    pub(super) fn finish(self) -> Request {
        let Some(line) = self.line else {
            return Request { method: self.method, bytes: self.raw };
        };
        let host = (!self.hostless).then(|| "Host: {host}".to_owned());
        let lines = std::iter::once(line).chain(host).chain(self.fields);
        let head: String = lines.map(|line| line + "\\r\\n").collect();
        Request { method: self.method, bytes: head + "\\r\\n" + &self.raw }
    }

    fn extra(&mut self, extra: &str) -> Option<()> {
        let field = match extra {
            "token" => "X-aws-ec2-metadata-token: {token}".to_owned(),
            "bad token" => "X-aws-ec2-metadata-token: INVALID".to_owned(),
            "forwarded" => "X-Forwarded-For: 192.0.2.1".to_owned(),
            "keep-alive" => "Connection: keep-alive".to_owned(),
            "no host" => {
                self.hostless = true;
                return Some(());
            }
            _ => {
                let seconds = extra.strip_prefix("ttl ")?;
                format!("X-aws-ec2-metadata-token-ttl-seconds: {seconds}")
            }
        };
        self.fields.push(field);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_request_becomes_its_bytes() {
        let mut draft = Draft::open("PUT /latest/api/token with ttl 60, keep-alive").unwrap();
        draft.add_field("Content-Length: 2");
        draft.add_raw("hi");
        let request = draft.finish();
        assert_eq!(request.method, "PUT");
        assert_eq!(
            request.bytes,
            "PUT /latest/api/token HTTP/1.1\\r\\nHost: {host}\\r\\n\
             X-aws-ec2-metadata-token-ttl-seconds: 60\\r\\nConnection: keep-alive\\r\\n\
             Content-Length: 2\\r\\n\\r\\nhi"
        );
    }

    #[test]
    fn a_host_of_its_own_replaces_ours() {
        let mut draft = Draft::open("GET / HTTP/1.0").unwrap();
        draft.add_field("Host: other");
        assert_eq!(draft.finish().bytes, "GET / HTTP/1.0\\r\\nHost: other\\r\\n\\r\\n");
        let hostless = Draft::open("GET / with no host").unwrap();
        assert_eq!(hostless.finish().bytes, "GET / HTTP/1.1\\r\\n\\r\\n");
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for text in ["GET", "GET / HTTP/1.1 more", "GET / with sugar"] {
            assert!(Draft::open(text).is_none(), "{text}");
        }
    }
}
