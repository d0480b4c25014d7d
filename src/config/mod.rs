//! Settings: read from flags, environment, file and profiles, and validated.
//!
//! Pure: callers hand texts in and get values, or every mistake at once, out.
//! Nothing here reads a file, a clock or the process environment.

mod access;
mod action;
mod bare_default;
mod base;
mod chain;
mod cidr;
mod control;
mod draft;
mod endpoint;
mod events;
mod file;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod hop;
mod imds;
mod inputs;
mod listen;
mod locale;
mod log;
mod metadata;
mod mistake;
mod neighbour;
mod parts;
mod pod;
mod profile;
mod resolve;
mod rivals;
mod role_keys;
mod route;
mod sandbox;
mod session_name;
mod setting;
mod settings;
mod start;
mod state_dir;
#[cfg(test)]
mod tests;
mod unknown;
mod values;

pub use crate::environment::{Environment, ProfilePaths};
pub use access::AccessRule;
pub use bare_default::without_default_credentials;
pub use cidr::Cidr;
pub use control::{Control, SOCKET, Whereabouts};
pub use events::{Events, OnSuspend};
pub use file::{KEYS, Key, Kind, LEAVES};
pub use inputs::{Caller, ConfigFile, Inputs, Overrides};
pub use listen::{Listen, ListenKind};
pub use log::{Log, LogFormat, LogLevel};
pub use metadata::Metadata;
pub use mistake::{Mistake, Mistakes, Place, Warning};
pub use neighbour::check_passed;
pub use pod::PodRule;
pub use profile::{EXCERPT, Profiles, SharedFile, SharedFiles};
pub use rivals::rivals;
pub use sandbox::{Landlock, Sandbox};
pub use settings::{RoleSettings, Settings};
pub use values::{duration, nearest};
