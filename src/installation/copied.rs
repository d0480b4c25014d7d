//! Which variables of a shell a service gets, for it sees none of them by
//! itself: how STS is reached, and where the user's files are.
//!
//! Never a key, and never a proxy's password: whoever may ask the manager can
//! read a unit's environment.

use std::path::Path;

use super::Scope;
use crate::environment::Environment;

/// How STS is reached.
const ROUTE: &[&str] = &[
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_STS",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_STS_REGIONAL_ENDPOINTS",
];

/// Where files are; they have to be where the service can read them.
const FILES: &[&str] = &["AWS_CA_BUNDLE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"];

/// What means something only where the shell and the service are one user's.
const OWN: &[&str] = &["PATH", "XDG_CONFIG_HOME", "ASSUMED_CONTROL"];

/// What is a key, or as good as one.
const KEYS: &[&str] = &[
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
];

/// What is copied of an environment, and what is not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Copied {
    /// Names and values.
    pub taken: Vec<(String, String)>,
    /// Names, and why not.
    pub left: Vec<(String, Left)>,
}

/// Why a variable that is set is not copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// It is a key.
    Key,
    /// A password is in it.
    Password,
    /// The service does not see the place that it names.
    Hidden,
}

impl Left {
    /// For people.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Key => "keys do not belong into units",
            Self::Password => "it has a password, which does not belong into units",
            Self::Hidden => "the service does not see that place",
        }
    }
}

impl Copied {
    /// What a service of this scope gets; relative paths are those of `directory`.
    #[must_use]
    pub fn of(environment: &Environment, scope: &Scope, directory: &Path) -> Self {
        let mut copied = Self::default();
        let own = if scope.is_user() { OWN } else { &[] };
        for name in ROUTE.iter().chain(FILES).chain(own) {
            let Some(value) = environment.get(name) else { continue };
            let is_file = FILES.contains(name);
            let value = if is_file { absolute(directory, value) } else { value.to_owned() };
            if has_password(&value) {
                copied.left.push(((*name).to_owned(), Left::Password));
            } else if is_file && scope.hides(Path::new(&value)) {
                copied.left.push(((*name).to_owned(), Left::Hidden));
            } else {
                copied.taken.push(((*name).to_owned(), value));
            }
        }
        let keys = KEYS.iter().filter(|name| environment.get(name).is_some());
        copied.left.extend(keys.map(|name| ((*name).to_owned(), Left::Key)));
        copied
    }
}

fn absolute(directory: &Path, path: &str) -> String {
    directory.join(path).display().to_string()
}

/// True for `scheme://user:password@host` in all its forms.
fn has_password(value: &str) -> bool {
    let (_, rest) = value.split_once("://").unwrap_or(("", value));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    !value.starts_with('/') && authority.contains('@')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copied(variables: &[(&str, &str)], scope: &Scope) -> Copied {
        let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        Copied::of(&variables.collect(), scope, Path::new("/home/alice"))
    }

    #[test]
    fn the_way_to_sts_is_copied_and_no_key_ever() {
        let shell = [
            ("AWS_ACCESS_KEY_ID", "AKIA"),
            ("AWS_SECRET_ACCESS_KEY", "s3cret"),
            ("AWS_SESSION_TOKEN", "s3cret"),
            ("HTTPS_PROXY", "http://proxy:3128"),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_CONFIG_FILE", "aws/config"),
            ("EDITOR", "vi"),
        ];
        let copied = copied(&shell, &Scope::User);
        let taken: Vec<_> = copied.taken.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let expected = [
            ("HTTPS_PROXY", "http://proxy:3128"),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_CONFIG_FILE", "/home/alice/aws/config"),
        ];
        assert_eq!(taken, expected);
        assert!(!format!("{copied:?}").contains("s3cret"));
        assert_eq!(copied.left.len(), 3);
    }

    #[test]
    fn a_password_in_a_proxy_is_no_ones_to_read() {
        for proxy in ["http://me:s3cret@proxy:3128/", "me:s3cret@proxy:3128"] {
            let copied = copied(&[("HTTPS_PROXY", proxy)], &Scope::User);
            assert_eq!(copied.left, [("HTTPS_PROXY".to_owned(), Left::Password)]);
            assert!(copied.taken.is_empty());
        }
        let region = copied(&[("HTTPS_PROXY", "http://proxy/?mail=a@b")], &Scope::User);
        assert!(region.left.is_empty());
    }

    #[test]
    fn what_the_service_cannot_see_is_said_and_left() {
        let shell = [("AWS_CA_BUNDLE", "/home/alice/ca.pem"), ("PATH", "/home/alice/bin")];
        let left = |scope| copied(&shell, &scope).left;
        assert_eq!(left(Scope::Machine), [("AWS_CA_BUNDLE".to_owned(), Left::Hidden)]);
        assert_eq!(left(Scope::Developer("alice".into())), []);
        assert_eq!(left(Scope::User), []);
    }
}
