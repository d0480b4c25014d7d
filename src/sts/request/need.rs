//! What a source wants of a human from time to time.
//!
//! Follows from the source alone: keys of a user may want a code, a login has
//! to be renewed, an assertion is handed in. No source wants two of them.

use std::path::PathBuf;

use super::{Base, BaseKind, Mfa, MfaSerial, Source, Start};
use crate::role::RoleArn;

/// What only a human has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    /// A code of this device; `by_hand` where no command prints it.
    Code {
        /// Which device.
        serial: MfaSerial,
        /// Nobody but a human gives it.
        by_hand: bool,
    },
    /// The response of an identity provider, for this role.
    Assertion(RoleArn),
    /// A login by the AWS CLI.
    Login {
        /// Whose login it is.
        profile: String,
        /// `aws sso login`, or `aws login`.
        kind: BaseKind,
    },
}

impl Need {
    /// In one word, for machines.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Code { .. } => "mfa",
            Self::Assertion(_) => "saml",
            Self::Login { kind: BaseKind::Sso, .. } => "sso",
            Self::Login { .. } => "login",
        }
    }

    /// Of what: the device, the role, the profile.
    #[must_use]
    pub fn subject(&self) -> &str {
        match self {
            Self::Code { serial, .. } => serial.as_str(),
            Self::Assertion(role) => role.as_str(),
            Self::Login { profile, .. } => profile,
        }
    }

    /// What to type.
    #[must_use]
    pub const fn order(&self) -> &'static str {
        match self {
            Self::Code { .. } => "assumed mfa",
            Self::Assertion(_) => "assumed saml FILE",
            Self::Login { .. } => "assumed login",
        }
    }
}

impl Source {
    /// What it wants of a human, if it ever does.
    #[must_use]
    pub fn need(&self) -> Option<Need> {
        match &self.start {
            Start::Saml(call) => return Some(Need::Assertion(call.role_arn.clone())),
            Start::Base(Base::Profile { name, kind: kind @ (BaseKind::Sso | BaseKind::Login) }) => {
                return Some(Need::Login { profile: name.clone(), kind: *kind });
            }
            Start::Session(_, call) if call.mfa.is_some() => return call.mfa.as_ref().map(code),
            Start::Base(_) | Start::WebIdentity(_) | Start::Session(..) | Start::Federation(..) => {
            }
        }
        self.hops.iter().find_map(|hop| hop.mfa.as_ref()).map(code)
    }

    /// The folder in which the AWS CLI leaves the login that this wants, if it wants one.
    #[must_use]
    pub fn login_cache(&self) -> Option<PathBuf> {
        let Some(Need::Login { kind, .. }) = self.need() else { return None };
        let home = || self.environment.home().map(|home| home.join(".aws"));
        match kind {
            BaseKind::Login => match self.environment.get("AWS_LOGIN_CACHE_DIRECTORY") {
                Some(folder) => Some(folder.into()),
                None => Some(home()?.join("login/cache")),
            },
            _ => Some(home()?.join("sso/cache")),
        }
    }
}

fn code(mfa: &Mfa) -> Need {
    Need::Code { serial: mfa.serial.clone(), by_hand: mfa.command.is_none() }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::sts::request::{CommandLine, UserSessionDuration};
    use crate::sts::tests::source;

    #[test]
    fn a_need_follows_from_the_source() {
        let mut source = source("http://127.0.0.1:1");
        assert_eq!(source.need(), None);
        let mut mfa = Mfa {
            serial: "arn:aws:iam::123456789012:mfa/jane".parse().unwrap(),
            command: None,
            session: UserSessionDuration::default(),
        };
        source.hops[0].mfa = Some(mfa.clone());
        let need = source.need().unwrap();
        assert_eq!((need.word(), need.subject()), ("mfa", mfa.serial.as_str()));
        assert!(matches!(need, Need::Code { by_hand: true, .. }));
        mfa.command = Some(CommandLine::Line(crate::secret::Secret::new("totp")));
        source.hops[0].mfa = Some(mfa);
        assert!(matches!(source.need(), Some(Need::Code { by_hand: false, .. })));
        for (kind, word) in [(BaseKind::Sso, "sso"), (BaseKind::Login, "login")] {
            source.start = Base::Profile { name: "reader".to_owned(), kind }.into();
            assert_eq!(source.need().unwrap().word(), word);
        }
        let home = crate::environment::Environment::default().with("HOME", "/home/jane");
        source.environment = std::sync::Arc::new(home);
        assert_eq!(source.login_cache().unwrap(), Path::new("/home/jane/.aws/login/cache"));
        source.hops[0].mfa = None;
        source.start = Base::Profile { name: "me".to_owned(), kind: BaseKind::Keys }.into();
        assert_eq!(source.need(), None);
        assert_eq!(source.login_cache(), None);
    }
}
