//! A request head, reduced in one pass to what the rules look at.

use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Version};

use crate::imds;

const TOKEN: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token");
const TTL: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds");
const FORWARDED: HeaderName = HeaderName::from_static("x-forwarded-for");
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// The head as the rules take it.
pub(super) fn reduce<B>(request: &Request<B>) -> imds::Request<'_> {
    let uri = request.uri();
    let mut reduced = imds::Request {
        method: method(request.method()),
        path: uri.path(),
        authority: uri.authority().map(hyper::http::uri::Authority::as_str),
        http_10: request.version() < Version::HTTP_11,
        host: imds::Field::Absent,
        token: imds::Field::Absent,
        ttl: imds::Field::Absent,
        forwarded: false,
        browser: false,
        expects: false,
    };
    for (name, value) in request.headers() {
        note(&mut reduced, name, value);
    }
    reduced
}

fn note<'a>(reduced: &mut imds::Request<'a>, name: &HeaderName, value: &'a HeaderValue) {
    match *name {
        header::HOST => add(&mut reduced.host, value),
        header::ORIGIN | header::REFERER => reduced.browser = true,
        header::EXPECT => reduced.expects = true,
        _ if *name == TOKEN => add(&mut reduced.token, value),
        _ if *name == TTL => add(&mut reduced.ttl, value),
        _ if *name == FORWARDED => reduced.forwarded = true,
        _ if *name == FETCH_SITE || *name == FETCH_DEST => reduced.browser = true,
        _ => {}
    }
}

/// A field that counts only where it stands once.
pub(super) fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> imds::Field<'a> {
    let mut field = imds::Field::Absent;
    headers.get_all(name).iter().for_each(|value| add(&mut field, value));
    field
}

fn add<'a>(field: &mut imds::Field<'a>, value: &'a HeaderValue) {
    *field = match field {
        imds::Field::Absent => imds::Field::One(value.as_bytes()),
        _ => imds::Field::Many,
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

/// The most that a head may measure (F19); hyper counts in whole reads, which overshoot.
const MOST_BYTES: usize = 32 * 1024;

/// Whether a head keeps to its bounds, its line ends not counted.
pub(super) fn fits<B>(request: &Request<B>) -> bool {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    let size = request
        .headers()
        .iter()
        .fold(target, |size, (name, value)| size + name.as_str().len() + value.len());
    size <= MOST_BYTES
}

/// Whether the body comes in chunks: hyper refuses every other coding (F19).
pub(super) fn is_chunked(headers: &HeaderMap) -> bool {
    headers.contains_key(header::TRANSFER_ENCODING)
}

/// Whether the client waits for our consent to send a body (F7).
pub(super) fn expects(headers: &HeaderMap) -> bool {
    headers.contains_key(header::EXPECT)
}

/// Whether the client asks for the connection to stay open, and does not also ask for its end.
pub(super) fn asks_to_stay(headers: &HeaderMap) -> bool {
    says(headers, b"keep-alive") && !asks_to_close(headers)
}

/// Whether the client asks for the connection to end with the reply.
pub(super) fn asks_to_close(headers: &HeaderMap) -> bool {
    says(headers, b"close")
}

fn says(headers: &HeaderMap, word: &[u8]) -> bool {
    let values = headers.get_all(header::CONNECTION).into_iter();
    let mut words = values.flat_map(|value| value.as_bytes().split(|b| *b == b','));
    words.any(|given| given.trim_ascii().eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in values {
            map.append(*name, HeaderValue::from_static(value));
        }
        map
    }

    #[test]
    fn only_who_asks_keeps_the_connection() {
        assert!(!asks_to_stay(&headers(&[])));
        assert!(asks_to_stay(&headers(&[("connection", "keep-alive")])));
        assert!(asks_to_stay(&headers(&[("connection", "TE, Keep-Alive")])));
        assert!(!asks_to_stay(&headers(&[("connection", "keep-alive, close")])));
        assert!(!asks_to_stay(&headers(&[("connection", "keep-alive"), ("connection", "close")])));
    }

    #[test]
    fn f19_a_head_is_bounded() {
        let sized = |target: usize, field: usize| {
            let request = Request::builder()
                .uri(format!("/{}", "a".repeat(target)))
                .header("x", "b".repeat(field));
            fits(&request.body(()).unwrap())
        };
        assert!(sized(0, 0) && sized(16_000, 16_000) && sized(0, 32_766));
        assert!(!sized(0, 32_767) && !sized(16_500, 16_500));
    }

    #[test]
    fn doubled_fields_are_seen_as_doubled() {
        let request = Request::builder()
            .uri("http://169.254.169.254/latest/?q")
            .header("X-Aws-Ec2-Metadata-Token", "a")
            .header("x-aws-ec2-metadata-token", "a")
            .header("Host", "localhost")
            .header("X-Forwarded-For", "")
            .header("Sec-Fetch-Mode", "cors")
            .body(())
            .unwrap();
        let head = reduce(&request);
        assert!(matches!(head.token, imds::Field::Many));
        assert!(matches!(head.host, imds::Field::One(b"localhost")));
        assert!(matches!(head.ttl, imds::Field::Absent));
        assert!(head.forwarded && !head.browser);
        assert_eq!((head.path, head.authority), ("/latest/", Some("169.254.169.254")));
    }
}
