//! What the instance metadata service answers: a request head in, a reply out.
//!
//! Rules only: no sockets, no Tokio, no logging, no clock but the one passed
//! in. [`answer()`] holds the order of the checks; each check lives in the file
//! of its name. The tree is rendered when something changes, so that answering
//! looks up and never builds.

mod answer;
mod bearer;
mod document;
mod facts;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub(crate) mod guard;
mod host;
mod instance;
mod layout;
mod listing;
mod options;
mod page;
mod path;
mod reply;
mod request;
mod status;
mod token;
mod tree;
mod version;

#[cfg(test)]
mod tests;

pub use answer::{Answer, View, answer};
pub use facts::{Facts, Metadata, Outcome};
pub use guard::foreign_name;
pub use host::HostNames;
pub use options::{HttpEndpoint, HttpTokens, Options};
pub(crate) use path::Path;
pub use reply::{Reply, ReplyBody, ReplyField};
pub use request::{Field, Method, Request};
pub use status::Status;
pub use token::{Shown, TokenKey, Ttl};
pub use tree::Tree;
