//! The process environment as a value, and what it says about files.
//!
//! Whoever starts the daemon reads it, once; everybody else is handed it. So
//! nothing depends on a variable that changes, and tests bring their own.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::secret::Secret;

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

/// Variables that hold AWS keys or tokens, current names and old ones.
const AWS_KEYS: [&str; 7] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_ACCESS_KEY",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SECRET_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
];

/// How the names of bearer tokens begin, one for each AWS service.
const BEARER_TOKEN: &str = "AWS_BEARER_TOKEN_";

/// True for a variable that holds an AWS key or token.
#[must_use]
pub fn is_aws_key(name: &str) -> bool {
    AWS_KEYS.contains(&name) || name.starts_with(BEARER_TOKEN)
}

/// Reads one secret variable from wherever it was moved to.
pub type ReadSecret = Arc<dyn Fn(&str) -> Option<Secret> + Send + Sync>;

/// The value of a secret variable that was moved elsewhere.
const MOVED: &str = "[moved]";

/// The environment variables as they were at the start.
///
/// A variable that is set but empty counts as unset, as in the SDKs. `Debug`
/// shows names only, for values may be keys.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    /// Has the values of AWS keys and tokens, if they were moved out of `variables`.
    secrets: Option<ReadSecret>,
}

impl Environment {
    /// The value of a variable that is set and not empty; a placeholder for a secret that was moved.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The value of an AWS key or token that is set and not empty.
    #[must_use]
    pub fn secret(&self, name: &str) -> Option<Secret> {
        let value = self.get(name)?;
        match &self.secrets {
            Some(read) if is_aws_key(name) => read(name),
            _ => Some(Secret::new(value)),
        }
    }

    /// The AWS keys and tokens that are set, by name.
    pub fn secrets(&self) -> impl Iterator<Item = (&str, Secret)> {
        let names = self.variables.keys().filter(|name| is_aws_key(name));
        names.filter_map(|name| Some((name.as_str(), self.secret(name)?)))
    }

    /// The same environment, in which `read` has the values of [`Self::secrets`].
    #[must_use]
    pub fn with_moved_secrets(mut self, read: ReadSecret) -> Self {
        for (name, value) in &mut self.variables {
            if is_aws_key(name) && !value.is_empty() {
                MOVED.clone_into(value);
            }
        }
        self.secrets = Some(read);
        self
    }

    /// The same environment with one variable set.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.variables.insert(name.into(), value.into());
        self
    }

    /// The same environment without one variable.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.variables.remove(name);
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
        Self { variables: variables.into_iter().collect(), secrets: None }
    }
}

impl PartialEq for Environment {
    fn eq(&self, other: &Self) -> bool {
        let same_secrets = match (&self.secrets, &other.secrets) {
            (None, None) => true,
            (Some(one), Some(another)) => Arc::ptr_eq(one, another),
            _ => false,
        };
        same_secrets && self.variables == other.variables
    }
}

impl Eq for Environment {}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.variables.keys()).finish()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moved_secrets_are_read_from_where_they_are() {
        let environment = Environment::default()
            .with("AWS_SECRET_ACCESS_KEY", "hush")
            .with("AWS_SESSION_TOKEN", "")
            .with("AWS_BEARER_TOKEN_BEDROCK", "hush too")
            .with("AWS_REGION", "eu-central-1");
        let secrets = |environment: &Environment| {
            let secrets = environment.secrets();
            secrets
                .map(|(name, value)| (name.to_owned(), value.expose().to_owned()))
                .collect::<Vec<_>>()
        };
        let kept = secrets(&environment);
        assert_eq!(kept.len(), 2);
        let read = kept.clone();
        let moved = environment.clone().with_moved_secrets(Arc::new(move |name| {
            read.iter().find(|(known, _)| known == name).map(|(_, value)| Secret::new(value))
        }));
        assert_eq!(secrets(&moved), kept);
        assert_eq!(
            moved.get("AWS_SECRET_ACCESS_KEY"),
            Some("[moved]"),
            "it is still seen to be set"
        );
        assert_eq!(moved.get("AWS_SESSION_TOKEN"), None);
        assert_eq!(moved.get("AWS_REGION"), Some("eu-central-1"));
        assert!(moved != environment && moved == moved.clone());
    }
}
