//! Replies as today's instances give them: header fields in order, and bodies.
//!
//! The order of the fields is that of the server that Nitro instances have
//! (F5); nothing is ever added to it (F13, G9).

use std::fmt;

use bytes::Bytes;

use super::page::NOT_FOUND;
use super::status::Status;
use super::token::Ttl;

/// What a path may be asked by (F10, F11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Allow {
    /// The path of the metadata token.
    Put,
    /// Every other path.
    Read,
}

impl Allow {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Put => "OPTIONS, PUT",
            Self::Read => "OPTIONS, GET, HEAD",
        }
    }
}

/// One header field of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyField {
    /// `X-Aws-Ec2-Metadata-Token-Ttl-Seconds`, spelled so (F6).
    Ttl(u32),
    /// `Allow`.
    Allow(&'static str),
    /// `Content-Type`.
    ContentType(&'static str),
    /// `X-Content-Type-Options: nosniff` (K5).
    NoSniff,
    /// `Accept-Ranges: none` (G7).
    AcceptRanges,
    /// `Last-Modified`: what [`super::Tree::modified`] says (G6).
    LastModified,
    /// `Content-Length`, of what GET would carry (F9).
    ContentLength(usize),
    /// `Date`.
    Date,
    /// `Server: EC2ws` (F2).
    Server,
    /// `Connection: close`, if the client did not ask for keep-alive (F3, F4).
    Connection,
}

/// The bytes of a reply.
#[derive(Clone, PartialEq, Eq)]
pub enum ReplyBody {
    /// None.
    Empty,
    /// Always the same.
    Static(&'static [u8]),
    /// From the tree.
    Shared(Bytes),
    /// A metadata token.
    Token([u8; 56]),
}

impl ReplyBody {
    /// How many bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::Static(bytes) => bytes.len(),
            Self::Shared(bytes) => bytes.len(),
            Self::Token(token) => token.len(),
        }
    }

    /// True where there are none, as in a tag without a value (G13).
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for ReplyBody {
    // Bodies are credentials and metadata tokens.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} bytes]", self.len())
    }
}

/// One reply, whole but for the clock readings that go into its head.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status.
    pub status: Status,
    ttl: Option<u32>,
    allow: Option<Allow>,
    body: ReplyBody,
}

impl Reply {
    /// A value from the tree (G1).
    pub(super) const fn value(value: Bytes) -> Self {
        Self::new(Status::Ok, ReplyBody::Shared(value))
    }

    /// A metadata token, with the time it was asked for (T6, T8).
    pub(super) const fn grant(token: [u8; 56], ttl: Ttl) -> Self {
        let mut reply = Self::new(Status::Ok, ReplyBody::Token(token));
        reply.ttl = Some(ttl.as_secs());
        reply
    }

    /// What a path may be asked by (F12).
    pub(super) const fn options(allow: Allow) -> Self {
        let mut reply = Self::new(Status::Ok, ReplyBody::Empty);
        reply.allow = Some(allow);
        reply
    }

    /// The same, to who asked by another method (F10, F11).
    pub(super) const fn not_allowed(allow: Allow) -> Self {
        let mut reply = Self::refusal(Status::NotAllowed);
        reply.allow = Some(allow);
        reply
    }

    /// Empty but for the page that goes with 404: CRT clients would take a
    /// text for the name of a role (E1, E3, E4).
    #[must_use]
    pub const fn refusal(status: Status) -> Self {
        let body = match status {
            Status::NotFound => ReplyBody::Static(NOT_FOUND),
            _ => ReplyBody::Empty,
        };
        Self::new(status, body)
    }

    const fn new(status: Status, body: ReplyBody) -> Self {
        Self { status, ttl: None, allow: None, body }
    }

    /// States what is left of the token that came with the request (T18);
    /// a grant goes on stating what was granted.
    pub(super) fn stating(mut self, remaining: Option<u32>) -> Self {
        self.ttl = self.ttl.or(remaining);
        self
    }

    /// The header fields in the order of the wire (F5).
    ///
    /// `Connection` is always among them: whether it is sent is for the one who
    /// knows what the client asked for.
    pub fn fields(&self) -> impl Iterator<Item = ReplyField> {
        use ReplyField::{AcceptRanges, Connection, ContentLength, Date, LastModified, Server};
        let ttl = self.ttl.map(ReplyField::Ttl);
        let kind = Some(ReplyField::ContentType(self.content_type()));
        let length = Some(ContentLength(self.body.len()));
        let [date, server, connection] = [Date, Server, Connection].map(Some);
        let fields = if matches!(self.body, ReplyBody::Shared(_)) {
            let [ranges, modified] = [AcceptRanges, LastModified].map(Some);
            [ttl, kind, ranges, modified, length, date, server, connection]
        } else {
            let allow = self.allow.map(|allow| ReplyField::Allow(allow.as_str()));
            [ttl, allow, length, date, server, connection, kind, None]
        };
        fields.into_iter().flatten()
    }

    const fn content_type(&self) -> &'static str {
        match self.status {
            Status::NotFound => "text/html",
            _ => "text/plain",
        }
    }

    /// What GET would carry; HEAD leaves it out (F9).
    #[must_use]
    pub const fn body(&self) -> &ReplyBody {
        &self.body
    }

    /// The same, when nothing else of the reply is needed any more.
    #[must_use]
    pub fn into_body(self) -> ReplyBody {
        self.body
    }

    /// A metadata token was granted: the hop limit applies (T12).
    #[must_use]
    pub const fn is_grant(&self) -> bool {
        matches!(self.body, ReplyBody::Token(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ReplyField::{
        AcceptRanges, Connection, ContentLength, ContentType, Date, LastModified, Server,
    };

    fn fields(reply: &Reply) -> Vec<ReplyField> {
        reply.fields().collect()
    }

    #[test]
    fn e1_f5_the_page_goes_with_404_and_is_html() {
        let reply = Reply::refusal(Status::NotFound);
        assert_eq!(*reply.body(), ReplyBody::Static(NOT_FOUND));
        assert_eq!(
            fields(&reply.stating(Some(9))),
            [
                ReplyField::Ttl(9),
                ContentLength(339),
                Date,
                Server,
                Connection,
                ContentType("text/html"),
            ]
        );
    }

    #[test]
    fn f5_a_value_has_its_fields_in_order() {
        let reply = Reply::value(Bytes::from_static(b"us-west-2"));
        let rest = [
            ContentType("text/plain"),
            AcceptRanges,
            LastModified,
            ContentLength(9),
            Date,
            Server,
            Connection,
        ];
        assert_eq!(fields(&reply), rest);
        let with_ttl = fields(&reply.stating(Some(21_583)));
        assert_eq!(with_ttl[0], ReplyField::Ttl(21_583));
        assert_eq!(with_ttl[1..], rest);
    }

    #[test]
    fn f5_t6_a_grant_has_its_fields_in_order() {
        let reply = Reply::grant([b'A'; 56], Ttl::parse(b"60").unwrap());
        assert!(reply.is_grant());
        assert_eq!(
            fields(&reply.stating(Some(5))),
            [
                ReplyField::Ttl(60),
                ContentLength(56),
                Date,
                Server,
                Connection,
                ContentType("text/plain"),
            ]
        );
    }

    #[test]
    fn e3_e4_other_refusals_are_empty_text() {
        for status in [
            Status::BadRequest,
            Status::Unauthorized,
            Status::Forbidden,
            Status::ExpectationFailed,
            Status::InternalServerError,
        ] {
            let reply = Reply::refusal(status);
            assert!(reply.body().is_empty() && !reply.is_grant());
            assert_eq!(
                fields(&reply),
                [ContentLength(0), Date, Server, Connection, ContentType("text/plain")]
            );
        }
    }

    #[test]
    fn f10_f11_405_says_what_is_allowed_in_its_own_words() {
        let reply = Reply::not_allowed(Allow::Put);
        assert_eq!((reply.status.code(), reply.status.reason()), (405, Some("Not Allowed")));
        assert_eq!(fields(&reply)[0], ReplyField::Allow("OPTIONS, PUT"));
        let reply = Reply::not_allowed(Allow::Read);
        assert_eq!(fields(&reply)[0], ReplyField::Allow("OPTIONS, GET, HEAD"));
        assert_eq!(Status::NotFound.reason(), None);
    }

    #[test]
    fn debug_shows_no_body() {
        let shown = format!("{:?}", Reply::value(Bytes::from_static(b"wJalr")));
        assert!(!shown.contains("wJalr") && shown.contains("5 bytes"), "{shown}");
    }
}
