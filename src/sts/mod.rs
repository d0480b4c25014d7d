//! AWS STS: what can be asked of it, and the door to it.

pub mod request;
