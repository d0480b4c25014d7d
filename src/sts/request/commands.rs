//! Whether anything of a role's calls comes from a command.

use super::{Base, BaseKind, Mfa, Source, Start, TextSource};

impl Source {
    /// True where an attempt may run a program of the user's.
    #[must_use]
    pub fn runs_commands(&self) -> bool {
        self.start.runs_commands() || self.hops.iter().any(|hop| prints_codes(hop.mfa.as_ref()))
    }
}

impl Start {
    fn runs_commands(&self) -> bool {
        match self {
            Self::Base(base) | Self::Federation(base, _) => base.is_command(),
            Self::Session(base, call) => base.is_command() || prints_codes(call.mfa.as_ref()),
            Self::WebIdentity(call) => call.token.is_command(),
            Self::Saml(call) => call.assertion.is_command(),
        }
    }
}

impl Base {
    const fn is_command(&self) -> bool {
        matches!(self, Self::Profile { kind: BaseKind::Process, .. })
    }
}

impl TextSource {
    const fn is_command(&self) -> bool {
        matches!(self, Self::Command(_))
    }
}

fn prints_codes(mfa: Option<&Mfa>) -> bool {
    mfa.is_some_and(|mfa| mfa.command.is_some())
}
