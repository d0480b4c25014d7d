//! What the settings say of calls to STS.

#[path = "../../../src/sts/request/mod.rs"]
pub mod request;
