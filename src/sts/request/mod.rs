//! What is asked of STS, as data, with the limits of its service model
//! (docs/rules.md, STS parameters) checked before any call.
//!
//! Knows no SDK. A [`Source`] is everything that goes into a role's calls, so
//! it is also what tells two roles apart.

mod calls;
mod commands;
mod input;
mod names;
mod narrowing;
mod need;
mod policy;
mod route;
mod span;
mod tags;

use std::fmt;
use std::sync::Arc;

pub use calls::{AssumeRole, FederationToken, Saml, SessionToken, WebIdentity};
pub use input::{CommandLine, Mfa, TextSource};
pub use names::{ExternalId, FederationName, MfaSerial, PrincipalArn, SourceIdentity};
pub use narrowing::{Narrowing, Unnarrowable};
pub use need::Need;
pub use policy::{Policies, PolicyArn, PolicySource, SessionPolicy};
pub use route::{Route, Timeouts};
pub use span::{SessionDuration, UserSessionDuration};
pub use tags::{Tag, TagKey, Tags};

use crate::environment::{Environment, ProfilePaths};
use crate::role::Region;

/// Whose signature the first call carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// `AWS_ACCESS_KEY_ID` and its companions in our own environment.
    Environment,
    /// A profile of the shared files, read anew for each attempt.
    Profile {
        /// Its name, without `profile `.
        name: String,
        /// What the profile holds.
        kind: BaseKind,
    },
    /// Somebody else's metadata or container endpoint, never one of our own.
    Endpoint {
        /// What it speaks.
        kind: EndpointKind,
        /// Where it is.
        url: String,
    },
}

/// What a base profile holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BaseKind {
    /// `aws_access_key_id` and `aws_secret_access_key`, perhaps `aws_session_token`.
    Keys,
    /// IAM Identity Center: `sso_session`, or the older `sso_start_url`.
    Sso,
    /// `credential_process`.
    Process,
    /// `login_session`, the console sign-in of `aws login`.
    Login,
}

/// What an endpoint of credentials speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointKind {
    /// `Ec2InstanceMetadata`: `IMDSv2`.
    Instance,
    /// `EcsContainer`: one GET, perhaps with an authorization token.
    Container,
}

/// Where the first credentials come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// Somebody else's, taken as they are.
    Base(Base),
    /// `AssumeRoleWithWebIdentity`, unsigned.
    WebIdentity(WebIdentity),
    /// `AssumeRoleWithSAML`, unsigned.
    Saml(Saml),
    /// `GetSessionToken`, signed by the base.
    Session(Base, SessionToken),
    /// `GetFederationToken`, signed by the base.
    Federation(Base, FederationToken),
}

/// Where a role's credentials come from: a start, then roles assumed in turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Signs the first call, or is served as it is where `hops` is empty.
    pub start: Start,
    /// The chain, the role to serve last.
    pub hops: Vec<AssumeRole>,
    /// The Region whose STS is asked, and for which requests are signed.
    pub region: Region,
    /// An endpoint instead of the Region's own.
    pub endpoint_url: Option<String>,
    /// How the network is crossed.
    pub route: Route,
    /// Limits on each stage.
    pub timeouts: Timeouts,
    /// Where the shared files lie.
    pub paths: ProfilePaths,
    /// The environment as it was at the start.
    pub environment: Arc<Environment>,
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment => f.write_str("environment (keys)"),
            Self::Profile { name, kind } => write!(f, "profile {name} ({})", kind.words()),
            Self::Endpoint { kind, url } => write!(f, "{} at {url}", kind.words()),
        }
    }
}

impl BaseKind {
    const fn words(self) -> &'static str {
        match self {
            Self::Keys => "keys",
            Self::Sso => "SSO",
            Self::Process => "credential_process",
            Self::Login => "console login",
        }
    }
}

impl EndpointKind {
    const fn words(self) -> &'static str {
        match self {
            Self::Instance => "instance metadata",
            Self::Container => "container credentials",
        }
    }
}

impl fmt::Display for TextSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Command(_) => f.write_str("a command"),
            Self::HandedIn => f.write_str("whoever hands it in"),
        }
    }
}

/// For people: what `check` and `status` call it.
impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Base(base) => base.fmt(f),
            Self::WebIdentity(call) => write!(f, "web identity token of {}", call.token),
            Self::Saml(call) => write!(f, "SAML assertion of {}", call.assertion),
            Self::Session(base, call) if call.mfa.is_some() => write!(f, "{base}, with MFA"),
            Self::Session(base, _) => write!(f, "{base}, by GetSessionToken"),
            Self::Federation(base, _) => write!(f, "{base}, by GetFederationToken"),
        }
    }
}

impl Start {
    /// True where the first credentials are a role's, as far as can be known beforehand.
    #[must_use]
    pub const fn is_role(&self) -> bool {
        match self {
            Self::WebIdentity(_) | Self::Saml(_) | Self::Base(Base::Endpoint { .. }) => true,
            Self::Base(Base::Profile { kind, .. }) => matches!(kind, BaseKind::Sso),
            Self::Base(Base::Environment) | Self::Session(..) | Self::Federation(..) => false,
        }
    }
}

impl From<Base> for Start {
    fn from(base: Base) -> Self {
        Self::Base(base)
    }
}
