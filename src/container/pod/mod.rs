//! The shape of the EKS Pod Identity agent: a pod shows the token of its
//! Kubernetes service account, and gets the role that the settings give to it.
//!
//! Rules only, as beside it. AWS's agent lets its service check signatures;
//! nobody does that for us, so that a token counts only if a key of its issuer
//! signed it.

mod answer;
mod claims;
mod invalid_tokens;
mod key_age;
mod keyring;
mod refusal;
#[cfg(test)]
mod tests;
mod token;
mod verified_tokens;
mod verify;

pub use answer::{Answer, View, answer};
pub use key_age::{IssuerKeys, KeySchedule, Step};
pub use keyring::{InvalidKeySet, Keyring};
pub use refusal::{Refusal, Reply};
pub use verify::TokenHistory;
