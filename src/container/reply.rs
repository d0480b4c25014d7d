//! Replies as the ECS agent words them (S6, S10).
//!
//! Every refusal is a constant, so that none can carry a cause out of the
//! house. Strangers get no body at all (F17, F18).

use std::fmt;

use bytes::Bytes;

use crate::imds::ReplyField;

/// Why there are no credentials in a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// A head that contradicts itself.
    Malformed,
    /// From a page in a browser, through a proxy, or to another's name.
    Stranger,
    /// No consumer's secret, or one that does not count any more.
    Unauthorized,
    /// A path that ends where a name should begin.
    NoId,
    /// No role of this consumer; whether others have it is not told (S10).
    UnknownId,
    /// Nothing has this path.
    NotFound,
    /// Nothing is asked by this method.
    NotAllowed,
    /// Nobody waits for our consent (F7).
    Expectation,
    /// More than a head may measure (F19).
    HeadTooLarge,
    /// The settings give this caller no such role.
    Barred,
    /// STS refused: another attempt of the client would change nothing.
    Denied,
    /// The owner locked the daemon: nobody gets anything.
    Locked,
    /// Nothing was ever obtained; soon there may be (S10).
    Uninitialized,
    /// What was held has expired. Clients that could live on with what they
    /// have do so after 500 and after nothing else.
    Expired,
}

macro_rules! worded {
    ($status:literal, $code:literal, $message:literal) => {
        (
            $status,
            concat!(
                "{\"code\":\"",
                $code,
                "\",\"message\":\"CredentialsV2Request: ",
                $message,
                "\",\"HTTPErrorCode\":",
                $status,
                "}"
            ),
        )
    };
}

impl Refusal {
    /// The status and the text that go with it.
    const fn parts(self) -> (u16, &'static str) {
        match self {
            Self::Malformed => (400, ""),
            Self::Stranger => (403, ""),
            Self::Expectation => (417, ""),
            Self::HeadTooLarge => (431, ""),
            Self::Unauthorized => {
                worded!(401, "Unauthorized", "Authorization is missing, unknown or expired")
            }
            Self::NoId => worded!(400, "NoIdInRequest", "the path names no role"),
            Self::UnknownId => {
                worded!(400, "InvalidIdInRequest", "no credentials for this consumer and path")
            }
            Self::NotFound => worded!(404, "NotFound", "nothing has this path"),
            Self::NotAllowed => worded!(405, "MethodNotAllowed", "only GET and HEAD are answered"),
            Self::Barred => {
                worded!(
                    403,
                    "AccessDenied",
                    "the settings of the credential daemon give this caller no such role"
                )
            }
            Self::Denied => worded!(
                403,
                "AccessDenied",
                "AWS STS refused the role; its trust policy, and the log of the credential daemon on this host, say more"
            ),
            Self::Locked => worded!(403, "AccessDenied", "the credential daemon is locked"),
            Self::Uninitialized => {
                worded!(503, "CredentialsUninitialized", "no credentials have come yet")
            }
            Self::Expired => worded!(
                500,
                "InternalServerError",
                "the credentials have expired and no new ones could be had"
            ),
        }
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
            Self::Refusal(refusal) => refusal.parts().0,
        }
    }

    /// What GET would carry; JSON, wherever it is not empty.
    #[must_use]
    pub fn body(&self) -> Bytes {
        match self {
            Self::Credentials(document) => document.clone(),
            Self::Refusal(refusal) => Bytes::from_static(refusal.parts().1.as_bytes()),
        }
    }

    /// Whether this is what was asked for.
    #[must_use]
    pub const fn is_credentials(&self) -> bool {
        matches!(self, Self::Credentials(_))
    }

    /// The few header fields that Go's server gives the agent's replies, `Connection` always
    /// among them: whether it is sent is for the one who knows what the client asked for.
    pub fn fields(&self) -> impl Iterator<Item = ReplyField> {
        let length = self.text().len();
        let allow = self.allow().map(ReplyField::Allow);
        let kind = (length > 0).then_some(ReplyField::ContentType("application/json"));
        let [date, length, connection] =
            [ReplyField::Date, ReplyField::ContentLength(length), ReplyField::Connection].map(Some);
        [allow, kind, date, length, connection].into_iter().flatten()
    }

    /// What the path may be asked by, where it was asked by something else.
    const fn allow(&self) -> Option<&'static str> {
        match self {
            Self::Refusal(Refusal::NotAllowed) => Some("GET, HEAD"),
            _ => None,
        }
    }

    fn text(&self) -> &[u8] {
        match self {
            Self::Credentials(document) => document,
            Self::Refusal(refusal) => refusal.parts().1.as_bytes(),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s10_a_worded_refusal_repeats_its_status() {
        for refusal in [
            Refusal::Unauthorized,
            Refusal::NoId,
            Refusal::UnknownId,
            Refusal::NotFound,
            Refusal::NotAllowed,
            Refusal::Barred,
            Refusal::Denied,
            Refusal::Locked,
            Refusal::Uninitialized,
            Refusal::Expired,
        ] {
            let reply = Reply::Refusal(refusal);
            let json: serde_json::Value = serde_json::from_slice(&reply.body()).unwrap();
            assert_eq!(json["HTTPErrorCode"], reply.status(), "{refusal:?}");
            let text = String::from_utf8(reply.body().to_vec()).unwrap();
            let place = |key: &str| text.find(&format!("\"{key}\":")).unwrap();
            assert!(place("code") < place("message") && place("message") < place("HTTPErrorCode"));
        }
    }

    #[test]
    fn f17_strangers_are_told_nothing() {
        for (refusal, status) in [(Refusal::Stranger, 403), (Refusal::Malformed, 400)] {
            let reply = Reply::Refusal(refusal);
            assert_eq!((reply.status(), reply.body().len()), (status, 0));
        }
    }
}
