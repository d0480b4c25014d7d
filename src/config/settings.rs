//! The settings as the daemon uses them: complete, checked, nothing left to parse.

use std::path::PathBuf;
use std::time::Duration;

use super::access::AccessRule;
use super::control::Control;
use super::events::Events;
use super::listen::Listen;
use super::log::Log;
use super::metadata::Metadata;
use super::mistake::Warning;
use super::pod::PodRule;
use super::sandbox::Sandbox;
use crate::imds::Options;
use crate::role::{AccountId, Region, RoleArn, RoleName};
use crate::sts::request::Source;

/// Everything that the daemon was told, or would do untold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The roles to serve; never empty, the active one first.
    pub roles: Vec<RoleSettings>,
    /// STS attempts at once.
    pub max_in_flight: usize,
    /// A role that nobody asked for so long rests, unless it is eager or active.
    pub idle_after: Duration,
    /// Which caller may have which role: the first that fits decides; everybody all, if empty.
    pub access: Vec<AccessRule>,
    /// Which pod may have which role: the first that fits decides.
    pub pods: Vec<PodRule>,
    /// Where to listen; never empty.
    pub listen: Vec<Listen>,
    /// Where the token key and the lock live; perhaps relative to the working directory.
    pub state_dir: PathBuf,
    /// The control socket.
    pub control: Control,
    /// The metadata options, under EC2's own names.
    pub imds: Options,
    /// More names by which clients may call us (F17).
    pub hosts: Vec<String>,
    /// How long READY waits for the first credentials.
    pub ready_timeout: Duration,
    /// Who is told when a human is needed.
    pub events: Events,
    /// What the daemon forbids itself.
    pub sandbox: Sandbox,
    /// What is logged, and how.
    pub log: Log,
    /// True where a refusal by STS ends the daemon with 77.
    pub exit_on_refusal: bool,
    /// What can be lived with, yet has to be said at the start.
    pub warnings: Vec<Warning>,
}

impl Settings {
    /// True where a program of the user's may be run, for a role or an event.
    #[must_use]
    pub fn runs_commands(&self) -> bool {
        self.events.command.is_some() || self.roles.iter().any(|role| role.source.runs_commands())
    }
}

/// One role to serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleSettings {
    /// What users call it: the profile's name, else the role's.
    pub name: String,
    /// What IMDS lists (C4).
    pub role_name: RoleName,
    /// Absent where a profile is served that assumes no role.
    pub role_arn: Option<RoleArn>,
    /// Absent where only the first credentials will tell.
    pub account: Option<AccountId>,
    /// What IMDS says the Region is.
    pub region: Region,
    /// Values of the tree that are set, not made up.
    pub metadata: Metadata,
    /// Assumed at the start, and never at rest.
    pub eager: bool,
    /// Never what listeners without a role of their own serve.
    pub protected: bool,
    /// Everything that goes into its calls.
    pub source: Source,
}
