//! Replies as the EKS Pod Identity agent words them (K5, K6).

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;

use crate::imds::ReplyField;

/// Why a pod gets no credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    code: u16,
    text: Cow<'static, str>,
}

/// In the words that the agent has for what AWS's own service refuses.
macro_rules! upstream {
    ($status:literal, $code:literal, $message:literal, $fault:literal) => {
        Refusal::of($status, concat!("[assumed]: (", $code, "): ", $message, ", fault: ", $fault))
    };
}

impl Refusal {
    pub(super) const NOT_FOUND: Self = Self::of(404, "404 page not found");
    /// What Go's server refuses by itself.
    pub const MALFORMED: Self = Self::of(400, "400 Bad Request");
    pub(super) const FOREIGN: Self = Self::of(
        403,
        "Access Denied. Called agent through invalid address, please use either \
         169.254.170.23 or [fd00:ec2::23]",
    );
    pub(super) const EMPTY: Self = Self::of(400, "Service account token cannot be empty");
    pub(super) const UNKNOWN_ISSUER: Self = upstream!(
        400,
        "InvalidTokenException",
        "no entry of [[pod]] knows the issuer of the token",
        "client"
    );
    pub(super) const FORGED: Self =
        upstream!(400, "InvalidTokenException", "no key of its issuer signed the token", "client");
    pub(super) const NO_KEYS: Self = upstream!(
        503,
        "ServiceUnavailableException",
        "no valid keys of the issuer are known at the moment",
        "server"
    );
    pub(super) const NO_RULE: Self = upstream!(
        404,
        "ResourceNotFoundException",
        "no entry of [[pod]] is about this service account",
        "client"
    );
    /// In the words of the agent for what it checks itself (K5).
    pub(super) const WRONG_AUDIENCE: Self = Self::of(
        400,
        "Service account token failed basic claim validations: token has invalid claims: \
         token has invalid audience",
    );
    /// What the agent's own limit says (K9).
    pub(super) const TOO_MANY_REQUESTS: Self = Self::of(429, "Too Many Requests");
    pub(super) const DENIED: Self = upstream!(
        403,
        "AccessDeniedException",
        "AWS STS refused the role; the log of the credential daemon says more",
        "client"
    );
    pub(super) const LOCKED: Self =
        upstream!(403, "AccessDeniedException", "the credential daemon is locked", "client");
    pub(super) const NOT_YET: Self =
        upstream!(503, "ServiceUnavailableException", "no credentials have come yet", "server");
    pub(super) const EXPIRED: Self = upstream!(
        500,
        "InternalServerException",
        "the credentials have expired and no new ones could be had",
        "server"
    );
    /// More than a head may measure (F19).
    pub const HEAD_TOO_LARGE: Self = Self::of(431, "431 Request Header Fields Too Large");

    const fn of(code: u16, text: &'static str) -> Self {
        Self { code, text: Cow::Borrowed(text) }
    }

    /// True if the token is the reason, not what is held of its role.
    #[must_use]
    pub fn is_about_token(&self) -> bool {
        (matches!(self.code, 400 | 429) && *self != Self::MALFORMED) || *self == Self::NO_RULE
    }

    /// True if the token was not looked at, since its source has shown too many invalid ones.
    #[must_use]
    pub fn is_limit(&self) -> bool {
        *self == Self::TOO_MANY_REQUESTS
    }

    /// What clients read.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn unreadable(why: &str) -> Self {
        let text = format!("Service account token cannot be parsed: {why}").into();
        Self { code: 400, text }
    }

    pub(super) fn invalid_claims(why: &str) -> Self {
        let text = format!("Service account token failed basic claim validations: {why}").into();
        Self { code: 400, text }
    }
}

/// One reply, whole but for its `Date`.
#[derive(Clone, PartialEq, Eq)]
pub enum Reply {
    /// A rendered document.
    Credentials(Bytes),
    /// Anything else.
    Refusal(Refusal),
}

impl Reply {
    /// The number.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Credentials(_) => 200,
            Self::Refusal(refusal) => refusal.code,
        }
    }

    /// What is sent, but to HEAD; a refusal ends with a line feed, as Go has it (K5).
    #[must_use]
    pub fn body(&self) -> Bytes {
        match self {
            Self::Credentials(document) => document.clone(),
            Self::Refusal(refusal) => Bytes::from(format!("{}\n", refusal.text)),
        }
    }

    /// In the order of Go's server; `Connection` for the one who knows whether it ends.
    pub fn fields(&self) -> impl Iterator<Item = ReplyField> {
        let (kind, own, length) = match self {
            Self::Credentials(document) => ("application/json", None, document.len()),
            Self::Refusal(refusal) => {
                ("text/plain; charset=utf-8", Some(ReplyField::NoSniff), refusal.text.len() + 1)
            }
        };
        let [kind, date, length, connection] = [
            ReplyField::ContentType(kind),
            ReplyField::Date,
            ReplyField::ContentLength(length),
            ReplyField::Connection,
        ]
        .map(Some);
        [kind, own, date, length, connection].into_iter().flatten()
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credentials(document) => write!(f, "Credentials({} bytes)", document.len()),
            Self::Refusal(refusal) => refusal.fmt(f),
        }
    }
}
