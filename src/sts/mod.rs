//! AWS STS: what can be asked of it, and the door to it.
//!
//! [`request`] is floor 1 and knows no SDK. The rest is the door: the only
//! place where the AWS SDK is named, and the only one that sends secrets out.

mod base;
mod chain;
mod client;
mod codes;
mod command;
mod endpoint;
mod failure;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod input;
mod issuer;
mod jwt;
mod keepsake;
mod login;
mod mfa;
mod neighbour;
mod network;
mod process;
mod reception;
pub mod request;
mod route;
mod saml;
mod shared_files;
mod signin;
mod signing_time;
#[cfg(test)]
mod tests;
mod transport;
mod witness;
mod wording;

pub use chain::RoleChain;
pub use command::{CommandRunner, tell};
pub use endpoint::endpoint;
pub use issuer::issuer_keys;
pub use keepsake::Keepsake;
pub use reception::Reception;
pub use route::check_route;
pub use signin::{encoded, signin_token};
