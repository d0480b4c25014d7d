//! What the container credentials endpoint answers, in the shape of ECS, and
//! who may ask it.
//!
//! Rules only: no sockets, no Tokio, no logging, no files, no clock but the one
//! passed in. [`answer()`] holds the order of the checks. Each consumer has a
//! secret of its own that names it and its one role; only digests of those
//! secrets are kept. The other shape, that of EKS, is [`pod`].

mod answer;
mod consumer;
mod consumers;
mod digest;
mod document;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod ledger;
pub mod pod;
pub mod port;
mod reply;
mod request;

#[cfg(test)]
mod tests;

pub use answer::{Answer, View, answer};
pub use consumer::{Consumer, ConsumerName, Order, Place};
pub use consumers::{Consumers, Turned};
pub use document::{Document, Prospect};
pub use ledger::Illegible;
pub use reply::{Refusal, Reply};
pub use request::Request;
