//! How the program ends when it cannot go on: a sentence, a hint, an exit code.

use std::fmt;
use std::process::ExitCode;

/// The exit codes, numbered as in BSD's `sysexits.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The command line was wrong.
    Usage = 64,
    /// Something needed is not there: an address, a daemon, credentials in time.
    Unavailable = 69,
    /// Our own bug.
    Bug = 70,
    /// A human is needed: a code, a login.
    Waiting = 75,
    /// STS refused.
    Refused = 77,
    /// The settings are wrong.
    Settings = 78,
}

impl Exit {
    /// The one of this number.
    #[must_use]
    pub fn of(code: i32) -> Option<Self> {
        use Exit::{Bug, Refused, Settings, Unavailable, Usage, Waiting};
        let all = [Usage, Unavailable, Bug, Waiting, Refused, Settings];
        all.into_iter().find(|exit| i32::from(*exit as u8) == code)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why the program ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fatal {
    /// What the shell is told.
    pub exit: Exit,
    /// A lower-case fragment without a period.
    pub message: String,
    /// What the reader can do.
    pub hint: Option<String>,
}

impl Fatal {
    /// An end without a hint.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hint: None }
    }

    /// Adds what the reader can do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// What parts a message from its hint for people.
pub const HINT: &str = "\nhint: ";

impl fmt::Display for Fatal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "{HINT}{hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Fatal {}
