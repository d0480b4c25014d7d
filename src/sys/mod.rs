//! Being built.
pub mod wake;
