//! Settings: read from flags, environment, file and profiles, and validated.
//!
//! Pure: callers hand texts in and get values, or every mistake at once, out.
//! Nothing here reads a file, a clock or the process environment.

mod base;
mod chain;
mod hop;
mod inputs;
mod mistake;
mod profile;
mod region;
mod resolve;
mod session_name;
mod setting;
mod settings;
#[cfg(test)]
mod tests;
mod values;

pub use crate::environment::{Environment, ProfilePaths};
pub use inputs::{Caller, ConfigFile, Inputs, Overrides};
pub use mistake::{Mistake, Mistakes, Place, Warning};
pub use profile::{EXCERPT, Profiles, SharedFile, SharedFiles};
pub use settings::{Listen, ListenKind, Log, LogFormat, LogLevel, RoleSettings, Settings};
