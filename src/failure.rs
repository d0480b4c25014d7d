//! What can go wrong on the way to credentials, told apart.
//!
//! A [`Failure`] is what rotation decides on and what the user reads. Its texts
//! are for logs and status only: clients get fixed bodies, never these.

use std::fmt;

use jiff::SignedDuration;

/// The kinds that rotation treats differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// No answer: no network, no name, refused connection, time-out, 5xx.
    Unreachable,
    /// STS asked for less (A12), whatever the status.
    Throttled,
    /// STS said no, and will until somebody changes something.
    Refused,
    /// An answer that is not one: malformed, incomplete, expired on arrival.
    Nonsense,
    /// Our wall clock and that of STS disagree by this much (ours minus theirs).
    WrongClock(SignedDuration),
    /// The base credentials cannot be had: a file, a command, a login.
    NoBase,
    /// A human has to give something before there can be credentials: an MFA
    /// code, a login, an assertion. Waiting for it counts as ready.
    NeedsHuman,
    /// Our own bug: the attempt panicked.
    Panicked,
}

impl Kind {
    /// In one word, for machines.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Throttled => "throttled",
            Self::Refused => "refused",
            Self::Nonsense => "nonsense",
            Self::WrongClock(_) => "wrong-clock",
            Self::NoBase => "no-base",
            Self::NeedsHuman => "needs-human",
            Self::Panicked => "panicked",
        }
    }
}

/// One failed attempt: kind, sentence, hint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What rotation decides on.
    pub kind: Kind,
    /// The error code as STS wrote it, such as `AccessDenied`.
    pub code: Option<String>,
    /// A lower-case fragment without a period; holds no secret.
    pub message: String,
    /// What the reader can do about it.
    pub hint: Option<String>,
}

impl Failure {
    /// A failure without code or hint.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, code: None, message: message.into(), hint: None }
    }

    /// Adds what the reader can do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the code that STS gave.
    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// True where waiting alone will not help and clients get C9.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        self.kind == Kind::Refused
    }

    /// True where a code, a login or an assertion is waited for.
    #[must_use]
    pub fn awaits_human(&self) -> bool {
        self.kind == Kind::NeedsHuman
    }

    /// True where only a human can mend it, here or at AWS.
    #[must_use]
    pub const fn needs_human(&self) -> bool {
        matches!(self.kind, Kind::Refused | Kind::NoBase | Kind::NeedsHuman | Kind::WrongClock(_))
    }

    /// The code of STS, else the kind.
    #[must_use]
    pub fn name(&self) -> &str {
        self.code.as_deref().unwrap_or_else(|| self.kind.name())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.code {
            Some(code) => write!(f, "{} ({code})", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for Failure {}
