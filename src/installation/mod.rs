//! What it takes to hand the daemon to the machine's service manager, and to
//! take it away again: a plan of steps, made of facts about the machine.
//!
//! Decides which files there should be, what is in them, and what to tell the
//! manager. Reads, writes and runs nothing: whoever carries a plan out does.

mod account;
mod copied;
pub mod launchd;
mod plan;
mod removal;
mod seal;
mod shipped;
mod step;
mod unit;
mod units;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use account::Account;
pub use copied::{Copied, Left};
pub use plan::{install, places};
pub use removal::{belongings, uninstall};
pub use seal::{Seal, seal};
pub use step::{Order, Step};
pub use units::{PROPERTIES, UnitState, developer, holders};

/// Where the machine's units go.
const MACHINE: &str = "/etc/systemd/system";

/// For whom the daemon runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// For whoever asks, in that user's own manager, on 127.0.0.1:1338.
    User,
    /// For the whole machine, as a user of its own, on the address of IMDS.
    Machine,
    /// As this developer, on the address of IMDS.
    Developer(String),
}

impl Scope {
    /// What the manager calls the daemon.
    #[must_use]
    pub fn service(&self) -> String {
        format!("{}.service", self.stem())
    }

    /// What the manager calls its socket.
    #[must_use]
    pub fn socket(&self) -> String {
        format!("{}.socket", self.stem())
    }

    fn stem(&self) -> String {
        match self {
            Self::User | Self::Machine => "assumed".to_owned(),
            Self::Developer(name) => format!("assumed@{name}"),
        }
    }

    /// All its units, in the order in which they start.
    #[must_use]
    pub fn units(&self) -> Vec<String> {
        let link = (!self.is_user()).then(|| shipped::LINK.to_owned());
        link.into_iter().chain([self.socket(), self.service()]).collect()
    }

    /// Where its socket listens.
    #[must_use]
    pub const fn address(&self) -> &'static str {
        if self.is_user() { "127.0.0.1:1338" } else { "169.254.169.254:80" }
    }

    /// True where nobody's root is needed.
    #[must_use]
    pub const fn is_user(&self) -> bool {
        matches!(self, Self::User)
    }

    /// The flag that means it.
    #[must_use]
    pub fn flag(&self) -> String {
        match self {
            Self::User => "--user".to_owned(),
            Self::Machine => "--system".to_owned(),
            Self::Developer(name) => format!("--for {name}"),
        }
    }

    /// True for a place where the daemon finds no file.
    #[must_use]
    pub fn hides(&self, path: &Path) -> bool {
        self.hidden().iter().any(|hidden| path.starts_with(hidden))
    }

    /// True for a place where the program itself is not found: the unit of the
    /// link sees no home.
    #[must_use]
    pub fn hides_program(&self, path: &Path) -> bool {
        !self.is_user() && Self::Machine.hides(path)
    }

    const fn hidden(&self) -> &'static [&'static str] {
        match self {
            Self::User => &[],
            Self::Machine => &["/home", "/root", "/Users", "/run/user", "/tmp", "/var/tmp"],
            Self::Developer(_) => &["/tmp", "/var/tmp"],
        }
    }
}

/// What the user asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// For whom.
    pub scope: Scope,
    /// The profile to serve, where it is not the settings that say so.
    pub profile: Option<String>,
    /// The settings file, absolute.
    pub config: Option<PathBuf>,
    /// Variables of the shell that the daemon is to see.
    pub variables: Vec<(String, String)>,
}

/// What the plan has to know about the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Of systemd.
    pub version: u32,
    /// This program, absolute.
    pub program: PathBuf,
    /// Where units go.
    pub folder: PathBuf,
    /// The home of whom the daemon runs as.
    pub home: PathBuf,
    /// What is in the files at our places, as far as they are there.
    pub texts: BTreeMap<PathBuf, String>,
    /// The texts of units that are somebody else's, by unit.
    pub foreign: BTreeMap<String, String>,
    /// What the manager says of our units.
    pub units: Vec<UnitState>,
    /// Other sockets of ours that start with the machine.
    pub others: Vec<String>,
    /// Whether the daemon's own user is there.
    pub has_account: bool,
    /// What would be left of that user's files, beside what is cleared.
    pub belongings: Vec<PathBuf>,
    /// Where the daemon keeps its state.
    pub state: PathBuf,
}

impl Machine {
    /// Where units of this scope go, in a home with this configuration folder.
    #[must_use]
    pub fn folder(scope: &Scope, configuration: &Path) -> PathBuf {
        if scope.is_user() { configuration.join("systemd/user") } else { PathBuf::from(MACHINE) }
    }

    /// Where systemd of this version lets the daemon keep its state.
    #[must_use]
    pub fn state(scope: &Scope, version: u32, configuration: &Path, state: &Path) -> PathBuf {
        match scope {
            // It was in the folder of settings before there was one for state.
            Scope::User if version < 254 => configuration.join("assumed"),
            Scope::User => state.join("assumed"),
            Scope::Machine => PathBuf::from("/var/lib/assumed"),
            Scope::Developer(name) => Path::new("/var/lib").join(format!("assumed-{name}")),
        }
    }

    /// True where the file there is one that an installation wrote.
    fn owns(&self, path: &Path) -> bool {
        self.texts.get(path).is_some_and(|text| Seal::of(text) == Seal::Ours)
    }

    fn unit(&self, name: &str) -> Option<&UnitState> {
        self.units.iter().find(|unit| unit.name == name)
    }
}
