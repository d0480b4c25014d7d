//! The one key behind everything issued.

use ring::hmac;

/// The one long-lived access key that this STS knows. Worth nothing anywhere else.
pub const DEMO_ACCESS_KEY_ID: &str = "AKIAASSUMED77EXAMPLE";
/// The secret of [`DEMO_ACCESS_KEY_ID`], which is none.
pub const DEMO_SECRET_ACCESS_KEY: &str = "not/a/secret/assumed/demo/key/EXAMPLEKEY";

/// No secret, so that sessions outlive a restart.
fn key() -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, DEMO_SECRET_ACCESS_KEY.as_bytes())
}

/// Over the parts, for this purpose and no other.
pub(super) fn sign(purpose: &str, parts: &[&[u8]]) -> hmac::Tag {
    hmac::sign(&key(), &message(purpose, parts))
}

fn message(purpose: &str, parts: &[&[u8]]) -> Vec<u8> {
    [&[purpose.as_bytes()], parts].concat().join(&0)
}

/// Whether the parts were signed for this purpose.
pub(super) fn is_genuine(purpose: &str, parts: &[&[u8]], tag: &[u8]) -> bool {
    hmac::verify(&key(), &message(purpose, parts), tag).is_ok()
}
