//! Why a login gives no credentials, and who can mend it.

use std::error::Error;

use super::request::{BaseKind, Timeouts};
use super::transport::{last, transport};
use super::witness::Seen;
use crate::failure::{Failure, Kind};

/// A profile that somebody has to be logged in for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Login<'a> {
    pub(super) name: &'a str,
    pub(super) kind: BaseKind,
    pub(super) timeouts: Timeouts,
}

impl Login<'_> {
    /// The failure that the SDK's error and the last exchange amount to.
    pub(super) fn failed(self, error: &(dyn Error + 'static), seen: Option<&Seen>) -> Failure {
        let broken = match seen {
            Some(Seen::Broken(failure)) => Some(failure.clone()),
            _ => transport(error, self.timeouts),
        };
        if let Some(mut failure) = broken {
            failure.message = format!("logging in as profile {}: {}", self.name, failure.message);
            return failure;
        }
        let (kind, hint) = match seen {
            Some(Seen::Status(200..300)) => (
                Kind::Nonsense,
                "is there a captive portal, or a proxy, in the way?".to_owned(),
            ),
            Some(Seen::Status(429)) => (Kind::Throttled, "nothing to do: it is tried again".to_owned()),
            Some(Seen::Status(500..)) => {
                (Kind::Unreachable, "nothing to do: it is tried again".to_owned())
            }
            Some(Seen::Status(403 | 404)) => (
                Kind::Refused,
                "is this user assigned that role in that account? sso_account_id and sso_role_name name them"
                    .to_owned(),
            ),
            _ => (Kind::NeedsHuman, format!("run `{} --profile {}`", self.verb(), self.name)),
        };
        // What a portal says is not repeated: it was sent the login.
        let why = match seen {
            None => last(error),
            Some(_) if kind == Kind::Nonsense => "the answer holds none".to_owned(),
            Some(Seen::Status(status)) if kind != Kind::NeedsHuman => {
                format!("HTTP {status} came back")
            }
            Some(_) => "the login has ended".to_owned(),
        };
        Failure::new(kind, format!("no credentials from {}: {why}", self.place())).hint(hint)
    }

    const fn place(self) -> &'static str {
        match self.kind {
            BaseKind::Login => "console login",
            _ => "IAM Identity Center",
        }
    }

    const fn verb(self) -> &'static str {
        match self.kind {
            BaseKind::Login => "aws login",
            _ => "aws sso login",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(seen: Option<&Seen>) -> Failure {
        let login = Login { name: "dev", kind: BaseKind::Sso, timeouts: Timeouts::default() };
        login.failed(&std::fmt::Error, seen)
    }

    #[test]
    fn only_a_login_that_has_ended_waits_for_a_human() {
        for (seen, kind) in [
            (None, Kind::NeedsHuman),
            (Some(Seen::Status(200)), Kind::Nonsense),
            (Some(Seen::Status(400)), Kind::NeedsHuman),
            (Some(Seen::Status(401)), Kind::NeedsHuman),
            (Some(Seen::Status(403)), Kind::Refused),
            (Some(Seen::Status(429)), Kind::Throttled),
            (Some(Seen::Status(503)), Kind::Unreachable),
        ] {
            let failure = failed(seen.as_ref());
            assert_eq!(failure.kind, kind, "{failure}");
            assert!(failure.hint.is_some());
        }
        assert_eq!(failed(None).hint.unwrap(), "run `aws sso login --profile dev`");
        let down = Failure::new(Kind::Unreachable, "no network");
        let failure = failed(Some(&Seen::Broken(down)));
        assert_eq!(failure.message, "logging in as profile dev: no network");
        assert_eq!(failure.kind, Kind::Unreachable);
    }
}
