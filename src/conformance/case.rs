//! What a case is made of, once its text is read.
//!
//! Values only: `script` makes them, `engine` walks them, `check` judges by
//! them. Every text in here may hold blanks (`template`).

use std::time::Duration;

/// How much a rule weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Grade {
    /// A server that breaks it is no IMDS, or not a safe one.
    Must,
    /// What the real service does, where its clients or the evidence leave room.
    Should,
}

impl Grade {
    /// As it stands in cases and reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Must => "must",
            Self::Should => "should",
        }
    }
}

/// A sentence of the protocol, and the bytes that prove it.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) rules: Vec<String>,
    pub(super) grade: Grade,
    pub(super) section: &'static str,
    pub(super) sentence: String,
    /// Only for servers that allow v1 (true) or require tokens (false).
    pub(super) v1: Option<bool>,
    /// How long silence is part of the rule.
    pub(super) patience: Option<Duration>,
    pub(super) needs: Vec<Need>,
    pub(super) steps: Vec<Step>,
}

/// Without which there is nothing to judge.
#[derive(Debug, Clone)]
pub(super) enum Need {
    /// This path is served.
    Served(String),
    /// The directory lists the name.
    Listed { name: String, directory: String },
    /// The directory does not.
    Unlisted { name: String, directory: String },
}

/// One thing that the engine does, in order.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// Bytes for the connection; requests in a row go out in one write.
    Request(Request),
    /// One answer read and judged.
    Answer(Expected),
    /// The next request opens a connection of its own.
    Reconnect,
    /// Time itself is the rule.
    Wait(Duration),
    /// The steps this often, each time on a new connection.
    Times { count: usize, steps: Vec<Self> },
    /// Everything listed below the path is served, and none of it is secret.
    Walk(String),
}

#[derive(Debug, Clone)]
pub(super) struct Request {
    /// Its first word; an answer to HEAD has no body.
    pub(super) method: String,
    pub(super) bytes: String,
}

#[derive(Debug, Clone)]
pub(super) struct Expected {
    /// The line it was read from, for the report.
    pub(super) shown: String,
    /// Any of these; none means any answer.
    pub(super) outcomes: Vec<Outcome>,
    pub(super) checks: Vec<Check>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    Status(u16),
    /// With its reason phrase.
    Phrase(String),
    /// The first digit.
    Class(u16),
    /// The connection ends without an answer.
    Closed,
}

#[derive(Debug, Clone)]
pub(super) struct Check {
    /// The line it was read from, for the report.
    pub(super) shown: String,
    /// Judged only for this status.
    pub(super) only: Option<u16>,
    pub(super) test: Test,
}

/// What of an answer is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subject {
    Body,
    /// The value of a header field.
    Field(String),
    /// The value of a top-level member of a JSON body.
    Member(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Test {
    Equals(Subject, String),
    Like(Subject, String),
    Is(Subject, Quality),
    Absent(Subject),
    Version(String),
    /// All header fields, in this order.
    Fields(Vec<String>),
    /// All members of the JSON body, in this order; `Name?` may be missing.
    Members(Vec<String>),
    /// These lines are in the body, in this order.
    Includes(Vec<String>),
    /// A header field's name, byte for byte.
    Spelled(String),
    /// Not judged: the value is kept under a name.
    Keep(String, Subject),
    /// The connection ends behind the answer, without another byte.
    Closes,
    Within(Duration),
    /// No 1xx came before.
    Final,
}

/// What a value can be, where bytes or a pattern do not say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Quality {
    Empty,
    Filled,
    /// The 339 bytes of rule E1.
    NotFoundPage,
    /// Sorted names joined by LF.
    Listing,
    /// The JSON layout of rule C3.
    LaidOut,
    /// No LF or CR at the end.
    Unended,
    /// An RFC 1123 date.
    HttpDate,
    /// A time not after the answer's own `Date`.
    Past,
    /// A time at least this far behind the answer's own `Date`.
    Ahead(Duration),
    Between(String, String),
    AtMostBytes(usize),
    /// Another value than this one.
    Not(String),
    /// This is nowhere in it.
    Without(String),
    /// A JSON string, not a number or `null`.
    Text,
    /// No part of a credential set.
    Harmless,
}
