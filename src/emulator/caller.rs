//! Who signs a call, and what a session token vouches for.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::ids::{DEMO_ACCOUNT, unique_id};
use super::tags::Tag;
use crate::role::{RoleArn, SessionName};

/// Whom the long-lived keys belong to.
const DEMO_USER: &str = "assumed-demo";

/// Who signed a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Caller {
    /// The demo user, by its long-lived key.
    User,
    /// Somebody, by temporary keys from here.
    Session(Session),
}

/// What a session token vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Session {
    pub(super) holder: Holder,
    pub(super) expires: Timestamp,
}

/// Whose a session is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Holder {
    /// The demo user's own: `GetSessionToken`.
    User {
        /// Whether it was opened with a code.
        mfa: bool,
    },
    /// Somebody the demo user vouches for: `GetFederationToken`.
    Federated(String),
    /// A role's: the three ways of `AssumeRole`.
    Role(RoleSession),
}

/// A role, and what it takes along to the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RoleSession {
    pub(super) role: RoleArn,
    pub(super) name: SessionName,
    /// Set once, and kept by all roles that follow.
    pub(super) source_identity: Option<String>,
    pub(super) transitive: Vec<Tag>,
}

impl Caller {
    pub(super) fn arn(&self) -> String {
        match self {
            Self::User => user_arn(),
            Self::Session(session) => session.holder.arn(),
        }
    }

    pub(super) fn user_id(&self) -> String {
        match self {
            Self::User => unique_id("AIDA", DEMO_USER),
            Self::Session(session) => session.holder.user_id(),
        }
    }

    pub(super) fn account(&self) -> &str {
        match self.role() {
            Some(session) => session.role.account().as_str(),
            None => DEMO_ACCOUNT,
        }
    }

    /// The role that signs, where it is one.
    pub(super) const fn role(&self) -> Option<&RoleSession> {
        match self {
            Self::Session(Session { holder: Holder::Role(session), .. }) => Some(session),
            _ => None,
        }
    }

    /// Whether its keys were got with a code.
    pub(super) const fn has_mfa(&self) -> bool {
        matches!(self, Self::Session(Session { holder: Holder::User { mfa: true }, .. }))
    }

    /// The moment from which on its keys are refused.
    pub(super) const fn expires(&self) -> Option<Timestamp> {
        match self {
            Self::User => None,
            Self::Session(session) => Some(session.expires),
        }
    }
}

fn user_arn() -> String {
    format!("arn:aws:iam::{DEMO_ACCOUNT}:user/{DEMO_USER}")
}

impl Holder {
    pub(super) fn arn(&self) -> String {
        match self {
            Self::User { .. } => user_arn(),
            Self::Federated(name) => format!("arn:aws:sts::{DEMO_ACCOUNT}:federated-user/{name}"),
            Self::Role(session) => session.arn(),
        }
    }

    /// Also `FederatedUserId`.
    pub(super) fn user_id(&self) -> String {
        match self {
            Self::User { .. } => unique_id("AIDA", DEMO_USER),
            Self::Federated(name) => format!("{DEMO_ACCOUNT}:{name}"),
            Self::Role(session) => session.id(),
        }
    }
}

impl RoleSession {
    /// `AssumedRoleUser.Arn`: the role's path is dropped (A10).
    pub(super) fn arn(&self) -> String {
        let (partition, account) = (self.role.partition().as_str(), self.role.account());
        format!("arn:{partition}:sts::{account}:assumed-role/{}/{}", self.role.name(), self.name)
    }

    /// `AssumedRoleUser.AssumedRoleId`; the part before the colon is the role's own.
    pub(super) fn id(&self) -> String {
        format!("{}:{}", unique_id("AROA", self.role.as_str()), self.name)
    }
}

impl Session {
    /// What goes into a session token.
    pub(super) fn claims(&self) -> Value {
        let expires = self.expires.as_second();
        match &self.holder {
            Holder::User { mfa } => json!({ "expires": expires, "mfa": mfa }),
            Holder::Federated(name) => json!({ "expires": expires, "federated": name }),
            Holder::Role(session) => json!({
                "expires": expires,
                "role": session.role.as_str(),
                "name": session.name.as_str(),
                "source": session.source_identity,
                "transitive": session.transitive,
            }),
        }
    }

    /// What comes out of one.
    pub(super) fn of(claims: &Value) -> Option<Self> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let holder = if let Some(mfa) = claims.get("mfa") {
            Holder::User { mfa: mfa.as_bool()? }
        } else if let Some(name) = text("federated") {
            Holder::Federated(name.to_owned())
        } else {
            Holder::Role(RoleSession {
                role: text("role")?.parse().ok()?,
                name: text("name")?.parse().ok()?,
                source_identity: text("source").map(str::to_owned),
                transitive: tags(claims.get("transitive")?)?,
            })
        };
        let expires = Timestamp::from_second(claims.get("expires")?.as_i64()?).ok()?;
        Some(Self { holder, expires })
    }
}

fn tags(claim: &Value) -> Option<Vec<Tag>> {
    let tag = |pair: &Value| {
        let text = |at| pair.get(at).and_then(Value::as_str).map(str::to_owned);
        Some((text(0)?, text(1)?))
    };
    claim.as_array()?.iter().map(tag).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role() -> RoleSession {
        RoleSession {
            role: "arn:aws:iam::210987654321:role/team/deploy".parse().unwrap(),
            name: "me@host".parse().unwrap(),
            source_identity: Some("me".into()),
            transitive: vec![("team".into(), "blue".into())],
        }
    }

    #[test]
    fn a_session_is_what_its_claims_say() {
        let expires = Timestamp::from_second(1_700_000_000).unwrap();
        for holder in [
            Holder::User { mfa: true },
            Holder::User { mfa: false },
            Holder::Federated("bob".into()),
            Holder::Role(role()),
            Holder::Role(RoleSession { source_identity: None, transitive: Vec::new(), ..role() }),
        ] {
            let session = Session { holder, expires };
            assert_eq!(Session::of(&session.claims()), Some(session));
        }
        assert_eq!(Session::of(&json!({ "expires": 1 })), None);
    }

    #[test]
    fn a_path_is_dropped_from_an_assumed_role() {
        let session = role();
        assert_eq!(session.arn(), "arn:aws:sts::210987654321:assumed-role/deploy/me@host");
        let (id, name) =
            session.id().split_once(':').map(|(i, n)| (i.len(), n.to_owned())).unwrap();
        assert_eq!((id, &*name), (21, "me@host"));
    }

    #[test]
    fn only_a_users_session_has_mfa() {
        let caller = |holder| Caller::Session(Session { holder, expires: Timestamp::MAX });
        assert!(caller(Holder::User { mfa: true }).has_mfa());
        assert!(!Caller::User.has_mfa() && !caller(Holder::Role(role())).has_mfa());
        assert_eq!(caller(Holder::User { mfa: true }).arn(), Caller::User.arn());
        assert_eq!(Caller::User.user_id().len(), 21);
    }
}
