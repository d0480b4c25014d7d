//! What identity providers hand out: a web identity token, a SAML response.
//!
//! Read and held against the clock. No signature is checked: this STS knows no
//! provider's keys, and whoever can reach it may claim to be anybody.

pub(super) mod assertion;
pub(super) mod id_token;
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

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD as BASE64;
    use proptest::prelude::*;

    use super::assertion::Assertion;
    use super::id_token::IdToken;
    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap()
    }

    proptest! {
        #[test]
        fn whatever_is_no_proof_is_refused_and_nothing_panics(
            text in "[a-zA-Z0-9_.=<>/&;!\\[\\]\"' :-]{0,400}",
        ) {
            prop_assert!(IdToken::read(&text, now()).is_err());
            prop_assert!(Assertion::read(&text, now()).is_err());
            prop_assert!(Assertion::read(&BASE64.encode(&text), now()).is_err());
        }

        #[test]
        fn a_response_cut_or_changed_anywhere_does_not_panic(at in 0..2000_usize, byte: u8) {
            let mut xml = samples::Saml::new("arn:aws:iam::210987654321:role/a", now())
                .xml()
                .into_bytes();
            // Only a line break is behind the root's end tag: without it all would be well.
            let at = at % (xml.len() - 1);
            xml[at] = byte;
            let _ = Assertion::read(&BASE64.encode(&xml), now());
            prop_assert!(Assertion::read(&BASE64.encode(&xml[..at]), now()).is_err());
        }
    }
}
