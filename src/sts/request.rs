//! What is asked of STS, as data, with the limits of its service model
//! (protocol 9.1) checked before any call.
//!
//! Knows no SDK. A [`Source`] is everything that goes into a role's calls, so
//! it is also what tells two roles apart.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use crate::environment::{Environment, ProfilePaths};
use crate::role::{Malformed, Region, RoleArn, SessionName};
use crate::secret::Secret;

/// `DurationSeconds` of the `AssumeRole*` actions: 900 to 43200 s, 3600 by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SessionDuration(Duration);

impl SessionDuration {
    /// The most that STS grants when the caller is a role itself (A4).
    pub const CHAINED: Self = Self(Duration::from_hours(1));

    /// As a span of time.
    #[must_use]
    pub const fn get(self) -> Duration {
        self.0
    }
}

impl Default for SessionDuration {
    fn default() -> Self {
        Self::CHAINED
    }
}

impl TryFrom<Duration> for SessionDuration {
    type Error = Malformed;

    fn try_from(span: Duration) -> Result<Self, Malformed> {
        let whole = Duration::from_secs(span.as_secs());
        if whole == span && (900..=43200).contains(&span.as_secs()) {
            Ok(Self(span))
        } else {
            Err(Malformed {
                expected: "a session duration",
                why: "it is 900 to 43200 whole seconds",
            })
        }
    }
}

/// 2 to 1224 of `[A-Za-z0-9_+=,.@:/-]`; agreed with whoever owns the role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalId(String);

impl ExternalId {
    /// As it is sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ExternalId {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let expected = "an external ID";
        if !(2..=1224).contains(&text.len()) {
            return Err(Malformed { expected, why: "it has 2 to 1224 characters" });
        }
        if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@:/-".contains(&b)) {
            return Err(Malformed { expected, why: "allowed are letters, digits and _+=,.@:/-" });
        }
        Ok(Self(text.to_owned()))
    }
}

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
}

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
    /// `web_identity_token_file` with `role_arn`.
    WebIdentity,
    /// `login_session`, the console sign-in of `aws login`.
    Login,
}

/// How long each stage of one STS call may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// To a TCP connection.
    pub connect: Duration,
    /// For one attempt of one call.
    pub attempt: Duration,
    /// For one call in all.
    pub operation: Duration,
    /// For a `credential_process`, start to end.
    pub process: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            attempt: Duration::from_secs(5),
            operation: Duration::from_secs(10),
            process: Duration::from_secs(20),
        }
    }
}

/// How the network is crossed, where that is not the ordinary way.
#[derive(Debug, Clone, Default)]
pub struct Route {
    /// The STS that is validated for FIPS 140 (A17).
    pub use_fips_endpoint: bool,
    /// The STS that has IPv6 addresses too (A17).
    pub use_dualstack_endpoint: bool,
    /// A PEM file with the only authorities to trust; the system's are not asked then.
    pub ca_bundle: Option<PathBuf>,
    /// The URL of a proxy for everything that is neither on this host nor on
    /// this link; may hold a password.
    pub proxy: Option<Secret>,
    /// Hosts that are reached without it, as in `NO_PROXY`.
    pub no_proxy: String,
}

impl PartialEq for Route {
    fn eq(&self, other: &Self) -> bool {
        let parts = |route: &Self| (route.use_fips_endpoint, route.use_dualstack_endpoint);
        parts(self) == parts(other)
            && self.ca_bundle == other.ca_bundle
            && self.proxy.as_ref().map(Secret::expose) == other.proxy.as_ref().map(Secret::expose)
            && self.no_proxy == other.no_proxy
    }
}

impl Eq for Route {}

impl Route {
    /// As the environment has it; settings go before.
    #[must_use]
    pub fn of(environment: &Environment) -> Self {
        let first = |names: &[&str]| names.iter().find_map(|name| environment.get(name));
        let is_true =
            |name| environment.get(name).is_some_and(|text| text.eq_ignore_ascii_case("true"));
        Self {
            use_fips_endpoint: is_true("AWS_USE_FIPS_ENDPOINT"),
            use_dualstack_endpoint: is_true("AWS_USE_DUALSTACK_ENDPOINT"),
            ca_bundle: environment.get("AWS_CA_BUNDLE").map(PathBuf::from),
            proxy: first(&["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
                .map(Secret::new),
            no_proxy: first(&["NO_PROXY", "no_proxy"]).unwrap_or_default().to_owned(),
        }
    }
}

/// Where a role's credentials come from: a base, then roles assumed in turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Signs the first call, or is served as it is where `hops` is empty.
    pub base: Base,
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
