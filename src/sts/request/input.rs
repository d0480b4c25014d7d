//! Where texts come from that change by themselves: tokens, assertions, codes.
//!
//! All of it is looked at anew for each attempt, so a file that is replaced and
//! a login that is renewed are seen without a restart.

use std::fmt;
use std::path::PathBuf;

use super::names::MfaSerial;
use super::span::UserSessionDuration;
use crate::secret::Secret;

/// A program of the user's that prints a secret.
#[derive(Clone)]
pub enum CommandLine {
    /// Started as it is, with no shell between.
    Words(Vec<Secret>),
    /// A line as of a `credential_process`: with a shell, where it takes one.
    Line(Secret),
}

impl CommandLine {
    fn parts(&self) -> Vec<&str> {
        match self {
            Self::Words(words) => words.iter().map(Secret::expose).collect(),
            Self::Line(line) => vec![line.expose()],
        }
    }
}

impl PartialEq for CommandLine {
    fn eq(&self, other: &Self) -> bool {
        let alike = matches!(self, Self::Words(_)) == matches!(other, Self::Words(_));
        alike && self.parts() == other.parts()
    }
}

impl Eq for CommandLine {}

/// Nothing of it, for there may be a password among its words.
impl fmt::Debug for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[command]")
    }
}

/// Where a token or an assertion comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextSource {
    /// A file that somebody else keeps up to date.
    File(PathBuf),
    /// A command that prints it.
    Command(CommandLine),
    /// Nowhere: a human hands each one in.
    HandedIn,
}

/// An MFA device, how its codes are had, and for how long one serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mfa {
    /// Which device.
    pub serial: MfaSerial,
    /// Prints the code; without it a human has to hand one in.
    pub command: Option<CommandLine>,
    /// The life of the session that a code opens for long-lived keys.
    pub session: UserSessionDuration,
}
