//! The modules of `assumed` that share state between tasks, and what they depend on,
//! compiled against Shuttle's `tokio`.
//!
//! `build.rs` prepares the files whose locks and atomics Shuttle schedules; the others are
//! taken as they are.

#![allow(unexpected_cfgs, dead_code, missing_docs)]

#[path = "../../../src/access/mod.rs"]
pub mod access;
#[path = "../../../src/clock.rs"]
pub mod clock;
#[path = "../../../src/config/mod.rs"]
pub mod config;
#[path = "../../../src/container/mod.rs"]
pub mod container;
#[path = "../../../src/credentials.rs"]
pub mod credentials;
#[path = "../../../src/environment.rs"]
pub mod environment;
#[path = "../../../src/failure.rs"]
pub mod failure;
#[path = "../../../src/fatal.rs"]
pub mod fatal;
#[path = "../../../src/imds/mod.rs"]
pub mod imds;
#[path = "../../../src/role.rs"]
pub mod role;
#[path = "../../../src/secret.rs"]
pub mod secret;

pub mod pulse {
    include!(concat!(env!("OUT_DIR"), "/pulse.rs"));
}

pub mod rotation;
pub mod samples;

pub mod store {
    include!(concat!(env!("OUT_DIR"), "/store.rs"));
    pub mod register {
        include!(concat!(env!("OUT_DIR"), "/register.rs"));
    }
}

pub mod sts;
pub mod watch;
