//! Being built.
mod environment;
pub use environment::{Environment, ProfilePaths};
