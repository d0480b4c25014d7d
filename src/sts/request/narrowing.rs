//! A session that may do less than its role, for one consumer: what it asks
//! for, and which sources can be asked for that.
//!
//! STS joins all session policies of a call before it cuts the role down, so
//! two of them allow what either allows. Where that would widen what the
//! settings narrowed down, or what was asked for, it is refused.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::policy::{Policies, PolicyArn, PolicySource, SessionPolicy};
use super::span::SessionDuration;
use super::{Source, Start, TextSource};
use crate::role::{Malformed, Partition};

/// What a session is to be less than its role; as it goes over the wire and is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Narrowing {
    policies: Policies,
    read_only: bool,
    duration: Option<SessionDuration>,
}

/// The same in words, nothing of it checked.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Written {
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    policy_arns: Vec<String>,
    read_only: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_seconds: Option<u64>,
}

impl Narrowing {
    /// An inline policy, managed ones, or the one of AWS that only reads.
    ///
    /// # Errors
    /// Where STS would not take so many or so much (A2), or where more policies
    /// would allow more than reading.
    pub fn new(
        inline: Option<SessionPolicy>,
        managed: Vec<PolicyArn>,
        read_only: bool,
    ) -> Result<Self, Malformed> {
        let wrong = |why| Malformed { expected: "session policies that STS takes", why };
        if managed.len() > PolicyArn::MOST {
            return Err(wrong("there are ten managed ones at most"));
        }
        Policies::fit(inline.as_ref(), &managed)?;
        if read_only && (inline.is_some() || !managed.is_empty()) {
            return Err(wrong("beside another policy, read-only would allow what either allows"));
        }
        let inline = inline.map(PolicySource::Text);
        Ok(Self { policies: Policies { inline, managed }, read_only, duration: None })
    }

    /// The same for sessions of this length.
    #[must_use]
    pub const fn lasting(mut self, duration: Option<SessionDuration>) -> Self {
        self.duration = duration;
        self
    }

    /// True where nothing is asked for: the role's own session will do.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    fn policies(&self, partition: Partition) -> Policies {
        let Self { policies, read_only, .. } = self.clone();
        if read_only {
            return Policies { managed: vec![PolicyArn::read_only(partition)], ..policies };
        }
        policies
    }
}

impl TryFrom<Written> for Narrowing {
    type Error = Malformed;

    fn try_from(written: Written) -> Result<Self, Malformed> {
        let Written { policy, policy_arns, read_only, duration_seconds } = written;
        let inline = policy.map(|text| text.parse()).transpose()?;
        let managed = policy_arns.iter().map(|arn| arn.parse()).collect::<Result<_, _>>()?;
        let duration = duration_seconds.map(Duration::from_secs);
        let duration = duration.map(SessionDuration::try_from).transpose()?;
        Ok(Self::new(inline, managed, read_only)?.lasting(duration))
    }
}

impl From<Narrowing> for Written {
    fn from(narrowing: Narrowing) -> Self {
        let Narrowing { policies, read_only, duration } = narrowing;
        let policy = match policies.inline {
            Some(PolicySource::Text(policy)) => Some(policy.text().expose().to_owned()),
            Some(PolicySource::File(_)) | None => None,
        };
        Self {
            policy,
            policy_arns: policies.managed.iter().map(|arn| arn.as_str().to_owned()).collect(),
            read_only,
            duration_seconds: duration.map(|duration| duration.get().as_secs()),
        }
    }
}

/// Why a source cannot be asked for less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Unnarrowable {
    /// Somebody else's credentials, served as they are.
    #[error("its credentials are served as their source gives them, so none with less can be had")]
    AsItIs,
    /// `GetSessionToken` has no policies; those of `GetFederationToken` give, not take.
    #[error("GetSessionToken and GetFederationToken have no session that may do less")]
    OfUser,
    /// One assertion opens one session.
    #[error("each session takes an assertion of its own, which somebody has to hand in")]
    HandedIn,
    /// Joined with those of the settings, more would be allowed.
    #[error("the settings give it session policies, and another would add to what they allow")]
    Widened,
    /// A policy of another partition.
    #[error("a managed policy belongs to another partition than the role")]
    Foreign,
    /// Role chaining (A4).
    #[error("it is assumed with the credentials of another role, for an hour at most")]
    Chained,
}

impl Unnarrowable {
    /// What the reader can do about it.
    #[must_use]
    pub const fn hint(self) -> &'static str {
        match self {
            Self::AsItIs | Self::OfUser => {
                "let a profile with role_arn and this one as source_profile assume a role"
            }
            Self::HandedIn => "saml_assertion_command or saml_assertion_file gives it by itself",
            Self::Widened => "name a role without policy, policy_file and policy_arns",
            Self::Foreign => {
                "its ARN begins with arn:aws, arn:aws-cn or arn:aws-us-gov as the role's"
            }
            Self::Chained => "ask for 1h or less",
        }
    }
}

impl Source {
    /// The same calls, the last of which asks for less.
    ///
    /// # Errors
    /// Where there is no call that could, or where less would become more.
    pub fn narrowed(&self, by: &Narrowing) -> Result<Self, Unnarrowable> {
        if matches!(&self.start, Start::Saml(call) if call.assertion == TextSource::HandedIn) {
            return Err(Unnarrowable::HandedIn);
        }
        let mut narrowed = self.clone();
        let chained = self.hops.len() > 1 || (!self.hops.is_empty() && self.start.is_role());
        let (arn, policies, duration) = match (narrowed.hops.last_mut(), &mut narrowed.start) {
            (Some(hop), _) => (&hop.role_arn, &mut hop.policies, &mut hop.duration),
            (None, Start::WebIdentity(call)) => {
                (&call.role_arn, &mut call.policies, &mut call.duration)
            }
            (None, Start::Saml(call)) => (&call.role_arn, &mut call.policies, &mut call.duration),
            (None, Start::Base(_)) => return Err(Unnarrowable::AsItIs),
            (None, Start::Session(..) | Start::Federation(..)) => {
                return Err(Unnarrowable::OfUser);
            }
        };
        let asked = by.policies(arn.partition());
        if asked.managed.iter().any(|policy| policy.partition() != arn.partition()) {
            return Err(Unnarrowable::Foreign);
        }
        if asked != Policies::default() {
            if *policies != Policies::default() {
                return Err(Unnarrowable::Widened);
            }
            *policies = asked;
        }
        if let Some(asked) = by.duration {
            if chained && asked > SessionDuration::CHAINED {
                return Err(Unnarrowable::Chained);
            }
            *duration = asked;
        }
        Ok(narrowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sts::request::{Base, BaseKind, UserSessionDuration, calls};
    use crate::sts::tests::source;

    fn read(json: &str) -> Result<Narrowing, String> {
        serde_json::from_str(json).map_err(|error: serde_json::Error| error.to_string())
    }

    fn read_only() -> Narrowing {
        Narrowing::new(None, Vec::new(), true).unwrap()
    }

    fn lasting(seconds: u64) -> Narrowing {
        let span = SessionDuration::try_from(Duration::from_secs(seconds)).unwrap();
        Narrowing::default().lasting(Some(span))
    }

    #[test]
    fn the_last_call_asks_for_less_and_tells_the_source_from_its_role() {
        let role = source("http://127.0.0.1:1");
        let narrowed = role.narrowed(&read_only()).unwrap();
        assert_ne!(narrowed, role, "it has a session of its own");
        let managed = &narrowed.hops[0].policies.managed;
        assert_eq!(managed[0].as_str(), "arn:aws:iam::aws:policy/ReadOnlyAccess");
        assert_eq!(narrowed.hops[0].duration, role.hops[0].duration);
        let brief = role.narrowed(&lasting(900)).unwrap();
        assert_eq!(brief.hops[0].duration.get(), Duration::from_mins(15));
        assert_eq!(brief.hops[0].policies, Policies::default());
        assert_eq!(role.narrowed(&Narrowing::default()).unwrap(), role);
    }

    #[test]
    fn the_policy_that_only_reads_is_that_of_the_roles_partition() {
        let mut role = source("http://127.0.0.1:1");
        role.hops[0].role_arn = "arn:aws-cn:iam::123456789012:role/one".parse().unwrap();
        let managed = role.narrowed(&read_only()).unwrap().hops[0].policies.managed.clone();
        assert_eq!(managed[0].as_str(), "arn:aws-cn:iam::aws:policy/ReadOnlyAccess");
        let foreign = read(r#"{"policy_arns": ["arn:aws:iam::aws:policy/ReadOnlyAccess"]}"#);
        assert_eq!(role.narrowed(&foreign.unwrap()), Err(Unnarrowable::Foreign));
    }

    #[test]
    fn what_is_as_it_is_cannot_be_asked_for_less() {
        let mut as_it_is = source("http://127.0.0.1:1");
        let sso = Base::Profile { name: "me".to_owned(), kind: BaseKind::Sso };
        as_it_is.hops.clear();
        as_it_is.start = sso.clone().into();
        assert_eq!(as_it_is.narrowed(&read_only()), Err(Unnarrowable::AsItIs));
        let call = calls::SessionToken { duration: UserSessionDuration::default(), mfa: None };
        as_it_is.start = Start::Session(Base::Environment, call);
        assert_eq!(as_it_is.narrowed(&lasting(900)), Err(Unnarrowable::OfUser));

        let mut chained = source("http://127.0.0.1:1");
        chained.start = sso.into();
        assert!(chained.narrowed(&lasting(3600)).is_ok());
        assert_eq!(chained.narrowed(&lasting(3601)), Err(Unnarrowable::Chained), "A4");
    }

    #[test]
    fn nothing_is_added_to_what_the_settings_allow() {
        let mut role = source("http://127.0.0.1:1");
        role.hops[0].policies = role.narrowed(&read_only()).unwrap().hops[0].policies.clone();
        let more = read(r#"{"policy": "{\"Statement\": []}"}"#).unwrap();
        assert_eq!(role.narrowed(&more), Err(Unnarrowable::Widened));
        assert!(role.narrowed(&lasting(900)).is_ok(), "a shorter one allows no more");
    }

    #[test]
    fn it_is_read_as_it_is_written_and_held_to_the_limits_of_sts() {
        let arn = "arn:aws:iam::123456789012:policy/team";
        let json = format!(
            r#"{{"policy":"{{\"Statement\":[]}}","policy_arns":["{arn}"],"read_only":false,"duration_seconds":900}}"#
        );
        assert_eq!(serde_json::to_string(&read(&json).unwrap()).unwrap(), json);
        assert!(read("{}").unwrap().is_nothing() && !read_only().is_nothing());
        let arns = |count: usize, length: usize| {
            let arn = format!("{arn}{}", "x".repeat(length));
            serde_json::json!({"policy_arns": vec![arn; count]}).to_string()
        };
        assert!(read(&arns(10, 10)).is_ok());
        for (json, why) in [
            (arns(11, 0), "ten managed ones at most"),
            (arns(10, 200), "2048 characters at most"),
            (r#"{"policy": "allow"}"#.to_owned(), "a JSON object"),
            (r#"{"policy_arns": ["ReadOnlyAccess"]}"#.to_owned(), "it looks like arn:"),
            (r#"{"duration_seconds": 60}"#.to_owned(), "900 to 43200"),
            (r#"{"read_only": true, "policy": "{}"}"#.to_owned(), "what either allows"),
            (r#"{"read_onyl": true}"#.to_owned(), "unknown field"),
        ] {
            let told = read(&json).unwrap_err();
            assert!(told.contains(why), "{json}: {told}");
        }
    }
}
