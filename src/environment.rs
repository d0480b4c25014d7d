//! The process environment as a value, and what it says about files.
//!
//! Whoever starts the daemon reads it, once; everybody else is handed it. So
//! nothing depends on a variable that changes, and tests bring their own.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// What a service manager tells the process that it started, and nobody else.
pub const SERVICE_MANAGER: [&str; 7] = [
    "NOTIFY_SOCKET",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    "LISTEN_PID",
    "LISTEN_PIDFDID",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
];

/// The environment variables as they were at the start.
///
/// A variable that is set but empty counts as unset, as in the SDKs. `Debug`
/// shows names only, for values may be keys.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The value of a variable that is set and not empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The same environment with one variable set.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.insert(name.into(), value.into());
        self
    }

    /// The same environment without one variable.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.0.remove(name);
        self
    }

    /// The user's home directory.
    #[must_use]
    pub fn home(&self) -> Option<PathBuf> {
        self.get("HOME").map(PathBuf::from)
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self(variables.into_iter().collect())
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

/// Where the shared config and credentials files lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfilePaths {
    /// `AWS_CONFIG_FILE`, else `~/.aws/config`.
    pub config: PathBuf,
    /// `AWS_SHARED_CREDENTIALS_FILE`, else `~/.aws/credentials`.
    pub credentials: PathBuf,
}

impl ProfilePaths {
    /// As the environment has it; relative to `/` where there is no home.
    #[must_use]
    pub fn of(environment: &Environment) -> Self {
        let aws = environment.home().unwrap_or_else(|| PathBuf::from("/")).join(".aws");
        let path = |variable: &str, name: &str| {
            environment.get(variable).map_or_else(|| aws.join(name), PathBuf::from)
        };
        Self {
            config: path("AWS_CONFIG_FILE", "config"),
            credentials: path("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
        }
    }
}
