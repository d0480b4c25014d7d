//! The five actions of STS that give credentials, as data.
//!
//! What a call may hold is what its action takes (docs/rules.md, STS parameters): tags of a web
//! identity stand in its token, so there is no place for them here.

use super::input::{Mfa, TextSource};
use super::names::{ExternalId, FederationName, PrincipalArn, SourceIdentity};
use super::policy::Policies;
use super::span::{SessionDuration, UserSessionDuration};
use super::tags::Tags;
use crate::role::{RoleArn, SessionName};

/// One `AssumeRole` call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssumeRole {
    /// Whom to become.
    pub role_arn: RoleArn,
    /// What `CloudTrail` will show.
    pub role_session_name: SessionName,
    /// How long to ask for; more than the role allows fails (A3).
    pub duration: SessionDuration,
    /// What the trust policy may demand.
    pub external_id: Option<ExternalId>,
    /// Who is behind it, through every chain.
    pub source_identity: Option<SourceIdentity>,
    /// What the session may do less than the role.
    pub policies: Policies,
    /// Tags of the session.
    pub tags: Tags,
    /// A code goes before long-lived keys may be used, for a day of calls; before
    /// temporary ones, for each call.
    pub mfa: Option<Mfa>,
}

impl AssumeRole {
    /// A call with nothing but what it has to have.
    #[must_use]
    pub fn new(role_arn: RoleArn, role_session_name: SessionName) -> Self {
        Self {
            role_arn,
            role_session_name,
            duration: SessionDuration::default(),
            external_id: None,
            source_identity: None,
            policies: Policies::default(),
            tags: Tags::default(),
            mfa: None,
        }
    }
}

/// One `AssumeRoleWithWebIdentity` call: the token speaks for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebIdentity {
    /// Whom to become.
    pub role_arn: RoleArn,
    /// What `CloudTrail` will show.
    pub role_session_name: SessionName,
    /// Where the OIDC token comes from.
    pub token: TextSource,
    /// How long to ask for.
    pub duration: SessionDuration,
    /// What the session may do less than the role.
    pub policies: Policies,
}

/// One `AssumeRoleWithSAML` call: the assertion speaks for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saml {
    /// Whom to become; one of the roles that the assertion names.
    pub role_arn: RoleArn,
    /// The provider that has signed it.
    pub principal_arn: PrincipalArn,
    /// Where it comes from.
    pub assertion: TextSource,
    /// How long to ask for; the assertion's `SessionNotOnOrAfter` cuts it.
    pub duration: SessionDuration,
    /// What the session may do less than the role.
    pub policies: Policies,
}

/// One `GetSessionToken` call, which only long-lived keys may sign (A6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionToken {
    /// How long to ask for.
    pub duration: UserSessionDuration,
    /// With a code the session is kept and shared until it ends: one code a day.
    pub mfa: Option<Mfa>,
}

/// One `GetFederationToken` call, which only long-lived keys may sign (A6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FederationToken {
    /// The federated user's name.
    pub name: FederationName,
    /// How long to ask for.
    pub duration: UserSessionDuration,
    /// What the session may do; without any it may do next to nothing.
    pub policies: Policies,
    /// Tags of the session.
    pub tags: Tags,
}
