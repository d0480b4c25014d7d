//! `assumed` has an AWS role *assumed*: it asks STS for temporary credentials,
//! holds them in memory, serves them where every AWS SDK already looks, and
//! rotates them long before they expire.
//!
//! The house has four floors, and imports point down only (`tests/floors.rs`
//! reads every `use`). Floor 0 is words, floor 1 rules (values in, values out),
//! floor 2 doors (one outside thing each, strangers to one another), floor 3
//! the house that is composed of them. ARCHITECTURE.md is the long form.

// Floor 0: words.
pub mod clock;
pub mod credentials;
pub mod environment;
pub mod failure;
pub mod fatal;
pub mod role;
pub mod secret;

// Floor 1: rules.
pub mod access;
pub mod command;
pub mod config;
pub mod container;
pub mod imds;
pub mod installation;
pub mod log_throttle;
mod markup;
pub mod status;

// Floors 1 and 2: rules, and the door beside them.
pub mod rotation;
pub mod sts;

// Floor 2: doors.
pub mod conformance;
pub mod control;
pub mod emulator;
pub mod http;
pub mod log;
pub mod pulse;
pub mod store;
pub mod sys;

// Floor 3: the house.
pub mod cli;
pub mod daemon;

#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz_targets;
