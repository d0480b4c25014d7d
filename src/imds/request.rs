//! One request head, reduced to what the rules look at.
//!
//! Filled in by the HTTP door in one pass over the header fields. Holds no
//! body, for a body is never read as anything (F8), and no query, for queries
//! are ignored (P11).

use std::fmt;

/// The methods that the rules tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Reads the head only (F9).
    Head,
    /// Asks for a metadata token.
    Put,
    /// Asks what is allowed (F12).
    Options,
    /// Anything else, which is never served (F11).
    Other,
}

/// A header field that may stand in a head once.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Field<'a> {
    /// Not there.
    Absent,
    /// There once; the value without the blanks around it, perhaps empty.
    One(&'a [u8]),
    /// There more than once, even if with equal values.
    Many,
}

impl fmt::Debug for Field<'_> {
    // A value may be a metadata token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("Absent"),
            Self::One(value) => write!(f, "One({} bytes)", value.len()),
            Self::Many => f.write_str("Many"),
        }
    }
}

/// One request head.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::struct_excessive_bools)] // Header fields are there or not.
pub struct Request<'a> {
    /// The method.
    pub method: Method,
    /// The path of the target, without the query; `*` and the empty path stand for themselves.
    pub path: &'a str,
    /// The authority of an absolute target, judged like `Host` (F19).
    pub authority: Option<&'a str>,
    /// HTTP/1.0 or older, where `Host` may be missing (F17).
    pub http_10: bool,
    /// `Host`.
    pub host: Field<'a>,
    /// `X-aws-ec2-metadata-token`.
    pub token: Field<'a>,
    /// `X-aws-ec2-metadata-token-ttl-seconds`.
    pub ttl: Field<'a>,
    /// `X-Forwarded-For` is there, even if empty (T5).
    pub forwarded: bool,
    /// A field is there that only browsers send (F18).
    pub browser: bool,
    /// `Expect` is there (F7).
    pub expects: bool,
}
