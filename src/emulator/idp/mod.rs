//! What identity providers hand out: a web identity token, a SAML response.
//!
//! Read and held against the clock. No signature is checked: this STS knows no
//! provider's keys, and whoever can reach it may claim to be anybody.

pub(super) mod assertion;
pub(super) mod id_token;
mod markup;
#[cfg(test)]
pub(super) mod samples;

use jiff::{SignedDuration, Timestamp};

use super::refusal::{Code, Refusal};

/// How far a provider's clock may be ahead of ours.
const LEEWAY: SignedDuration = SignedDuration::from_mins(5);

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(Code::InvalidIdentityToken, message)
}

fn is_to_come(start: Timestamp, now: Timestamp) -> bool {
    start.duration_since(now) > LEEWAY
}

/// A source identity out of a claim, held to the limits of the parameter.
///
/// It cannot begin with `aws:`, because a colon is none of its characters.
fn source_identity(text: String) -> Result<String, Refusal> {
    let is_name = (2..=64).contains(&text.chars().count())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c));
    if is_name {
        Ok(text)
    } else {
        Err(invalid(
            "Source Identity must match [a-zA-Z_0-9+=,.@-]{2,64} and not begin with \"aws:\"",
        ))
    }
}
