//! A request head, reduced in one pass to what anybody looks at.

use hyper::header::{HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use hyper::{Method, Version};

use crate::imds::{self, Field, Status};

/// The most that a head may measure (F19); hyper counts in whole reads, which overshoot.
const MOST_BYTES: usize = 32 * 1024;

/// In what a head goes beyond what is read (F19).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Breach {
    /// It has more bytes than there is room for.
    TooLarge,
    /// Its body is in a coding that nobody undoes.
    Coded,
}

impl Breach {
    /// What it is refused with.
    pub(super) const fn status(self) -> Status {
        match self {
            Self::TooLarge => Status::HeadTooLarge,
            Self::Coded => Status::BadRequest,
        }
    }
}

/// All that counts of a head.
#[allow(clippy::struct_excessive_bools)] // Header fields are there or not.
pub(super) struct Head<'a> {
    /// What the rules look at.
    pub(super) request: imds::Request<'a>,
    /// What consumers of the container endpoint show.
    pub(super) authorization: Field<'a>,
    /// What stands behind the path; an IMDS does not look at it (P11).
    pub(super) query: Option<&'a str>,
    /// What the client calls itself.
    pub(super) agent: &'a [u8],
    /// The body comes in chunks.
    pub(super) chunked: bool,
    /// In another coding as well: hyper looks at the last one only (F19).
    coded: bool,
    /// The client asks for the connection to end with the reply.
    pub(super) asks_to_close: bool,
    asks_to_stay: bool,
    size: usize,
}

impl<'a> Head<'a> {
    /// Reads each field once.
    pub(super) fn read(parts: &'a Parts) -> Self {
        let uri = &parts.uri;
        let mut head = Self {
            request: imds::Request {
                method: method(&parts.method),
                path: uri.path(),
                authority: uri.authority().map(Authority::as_str),
                http_10: parts.version < Version::HTTP_11,
                host: Field::Absent,
                token: Field::Absent,
                ttl: Field::Absent,
                forwarded: false,
                browser: false,
                expects: false,
            },
            authorization: Field::Absent,
            query: uri.query(),
            agent: &[],
            chunked: false,
            coded: false,
            asks_to_close: false,
            asks_to_stay: false,
            size: uri.path_and_query().map_or(0, |target| target.as_str().len()),
        };
        for (name, value) in &parts.headers {
            head.note(name, value);
        }
        head
    }

    fn note(&mut self, name: &HeaderName, value: &'a HeaderValue) {
        self.size += name.as_str().len() + value.len();
        let request = &mut self.request;
        match name.as_str() {
            "host" => add(&mut request.host, value),
            "connection" => self.hear(value),
            "authorization" => add(&mut self.authorization, value),
            "transfer-encoding" => {
                self.coded |= self.chunked || !value.as_bytes().eq_ignore_ascii_case(b"chunked");
                self.chunked = true;
            }
            "user-agent" => self.agent = value.as_bytes(),
            "origin" | "referer" | "sec-fetch-site" | "sec-fetch-dest" => request.browser = true,
            "expect" => request.expects = true,
            "x-aws-ec2-metadata-token" => add(&mut request.token, value),
            "x-aws-ec2-metadata-token-ttl-seconds" => add(&mut request.ttl, value),
            "x-forwarded-for" => request.forwarded = true,
            _ => {}
        }
    }

    fn hear(&mut self, connection: &HeaderValue) {
        if connection == "keep-alive" {
            self.asks_to_stay = true;
            return;
        }
        for word in connection.as_bytes().split(|b| *b == b',').map(<[u8]>::trim_ascii) {
            self.asks_to_stay |= word.eq_ignore_ascii_case(b"keep-alive");
            self.asks_to_close |= word.eq_ignore_ascii_case(b"close");
        }
    }

    /// Where it goes beyond what is read, its line ends not counted.
    pub(super) const fn breach(&self) -> Option<Breach> {
        if self.size > MOST_BYTES {
            Some(Breach::TooLarge)
        } else if self.coded {
            Some(Breach::Coded)
        } else {
            None
        }
    }

    /// Whether the client asks for the connection to stay open, and not also for its end.
    pub(super) const fn asks_to_stay(&self) -> bool {
        self.asks_to_stay && !self.asks_to_close
    }
}

fn add<'a>(field: &mut Field<'a>, value: &'a HeaderValue) {
    *field = match field {
        Field::Absent => Field::One(value.as_bytes()),
        _ => Field::Many,
    };
}

fn method(method: &Method) -> imds::Method {
    match *method {
        Method::GET => imds::Method::Get,
        Method::HEAD => imds::Method::Head,
        Method::PUT => imds::Method::Put,
        Method::OPTIONS => imds::Method::Options,
        _ => imds::Method::Other,
    }
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    fn parts(uri: &str, fields: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().uri(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn only_who_asks_keeps_the_connection() {
        let stays = |fields: &[(&str, &str)]| Head::read(&parts("/", fields)).asks_to_stay();
        assert!(!stays(&[]));
        assert!(stays(&[("connection", "keep-alive")]));
        assert!(stays(&[("connection", "TE, Keep-Alive")]));
        assert!(!stays(&[("connection", "keep-alive, close")]));
        assert!(!stays(&[("connection", "keep-alive"), ("connection", "close")]));
    }

    #[test]
    fn f19_a_head_is_bounded() {
        let fits = |target: usize, field: usize| {
            let target = format!("/{}", "a".repeat(target));
            Head::read(&parts(&target, &[("x", &"b".repeat(field))])).breach().is_none()
        };
        assert!(fits(0, 0) && fits(16_000, 16_000) && fits(0, 32_766));
        assert!(!fits(0, 32_767) && !fits(16_500, 16_500));
    }

    #[test]
    fn f19_chunks_are_the_only_coding() {
        let breach = |codings: &[&str]| {
            let fields: Vec<_> = codings.iter().map(|it| ("transfer-encoding", *it)).collect();
            Head::read(&parts("/", &fields)).breach()
        };
        assert_eq!(breach(&["chunked"]), None);
        assert_eq!(breach(&["Chunked"]), None);
        for codings in [&["gzip, chunked"][..], &["gzip", "chunked"], &["chunked", "chunked"]] {
            assert_eq!(breach(codings), Some(Breach::Coded), "{codings:?}");
        }
    }

    #[test]
    fn doubled_fields_are_seen_as_doubled() {
        let fields = [
            ("X-Aws-Ec2-Metadata-Token", "a"),
            ("x-aws-ec2-metadata-token", "a"),
            ("Host", "localhost"),
            ("X-Forwarded-For", ""),
            ("Sec-Fetch-Mode", "cors"),
        ];
        let parts = parts("http://169.254.169.254/latest/?q", &fields);
        let head = Head::read(&parts).request;
        assert!(matches!(head.token, Field::Many));
        assert!(matches!(head.host, Field::One(b"localhost")));
        assert!(matches!(head.ttl, Field::Absent));
        assert!(head.forwarded && !head.browser);
        assert_eq!((head.path, head.authority), ("/latest/", Some("169.254.169.254")));
    }
}
