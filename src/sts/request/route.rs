//! How the network is crossed, and how long anything may take.

use std::path::PathBuf;
use std::time::Duration;

use crate::environment::Environment;
use crate::secret::Secret;

/// How long each stage of one STS call may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// To a TCP connection.
    pub connect: Duration,
    /// For one attempt of one call.
    pub attempt: Duration,
    /// For one call in all.
    pub operation: Duration,
    /// For a command of the user's, start to end: a `credential_process`, one that
    /// prints a token, an assertion or a code.
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
