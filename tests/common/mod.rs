//! What the tests of the whole binary share: a home of its own, the running
//! program, a client over raw sockets.
//!
//! Every line that the program writes is kept, and searched for secrets when
//! it ends.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    clippy::must_use_candidate
)]

pub mod client;
pub mod command;
pub mod control;
pub mod identity;
pub mod memory;
pub mod program;
pub mod stand;

/// The longest that a test waits for something that should happen.
pub const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);
