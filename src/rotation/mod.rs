//! When to ask STS again, and what becomes of the answer.

pub mod port;
