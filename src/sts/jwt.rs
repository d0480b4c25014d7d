//! What a web identity token says of itself, looked at and believed by nobody.
//!
//! Nothing is verified here: STS does that. It is read so that a refusal can be
//! told together with the time at which the token ended.

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use jiff::Timestamp;
use serde_json::Value;

use crate::clock;
use crate::failure::{Failure, Kind};
use crate::secret::Secret;

/// `WebIdentityToken` has 4 to 20000 characters (docs/rules.md, STS parameters).
const LENGTH: std::ops::RangeInclusive<usize> = 4..=20_000;

/// Encoders differ about padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Refuses what cannot be a token, before it is sent.
pub(super) fn check(token: &Secret) -> Result<(), Failure> {
    let text = token.expose();
    let what = if text.is_empty() {
        "it is empty"
    } else if !LENGTH.contains(&text.len()) {
        "a token has 4 to 20000 characters"
    } else if !text.bytes().all(|b| b.is_ascii_graphic()) {
        "a token is one word of ASCII characters"
    } else {
        return Ok(());
    };
    Err(Failure::new(
        Kind::NoBase,
        format!("what stands for the web identity token is none: {what}"),
    )
    .hint("it is to be the OIDC token itself, and nothing else"))
}

/// What to add to a refusal of the token.
pub(super) fn remark(token: &Secret, now: Timestamp) -> String {
    let Some(claims) = claims(token.expose()) else {
        return "what was sent is no JSON web token".to_owned();
    };
    match claims.get("exp").and_then(Value::as_i64).and_then(|at| Timestamp::from_second(at).ok()) {
        None => "the token does not say when it expires".to_owned(),
        Some(at) if at <= now => {
            let ago = clock::until(at, now).as_secs();
            format!("the token expired at {at}, {ago}s ago")
        }
        Some(at) => format!("the token is valid until {at}"),
    }
}

fn claims(token: &str) -> Option<Value> {
    let mut parts = token.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let payload = BASE64.decode(payload).ok()?;
    let claims: Value = serde_json::from_slice(&payload).ok()?;
    claims.is_object().then_some(claims)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOON: Timestamp = Timestamp::constant(1_782_907_200, 0);

    fn token(claims: &str) -> Secret {
        Secret::new(format!("e30.{}.c2ln", BASE64.encode(claims)))
    }

    #[test]
    fn the_end_of_a_token_is_told() {
        let told = |claims: &str| remark(&token(claims), NOON);
        assert_eq!(
            told(r#"{"exp": 1782907140}"#),
            "the token expired at 2026-07-01T11:59:00Z, 60s ago"
        );
        assert_eq!(told(r#"{"exp": 1782907260}"#), "the token is valid until 2026-07-01T12:01:00Z");
    }

    #[test]
    fn a_token_that_lies_about_its_shape_is_told_so() {
        for claims in
            ["{}", r#"{"exp": "soon"}"#, r#"{"exp": 1e300}"#, r#"{"exp": 99999999999999}"#]
        {
            assert_eq!(remark(&token(claims), NOON), "the token does not say when it expires");
        }
        for text in ["abcd", "a.b", "a.b.c", "e30.e30.e30.e30", "..", "e30.WzFd.e30"] {
            let told = remark(&Secret::new(text), NOON);
            assert_eq!(told, "what was sent is no JSON web token", "{text}");
        }
    }

    #[test]
    fn what_cannot_be_a_token_is_not_sent() {
        let refused = |text: String| check(&Secret::new(text)).unwrap_err().message;
        assert!(refused(String::new()).ends_with("it is empty"));
        assert!(refused("abc".to_owned()).ends_with("4 to 20000 characters"));
        assert!(refused("x".repeat(20_001)).ends_with("4 to 20000 characters"));
        assert!(refused("a b c d".to_owned()).ends_with("one word of ASCII characters"));
        assert!(check(&Secret::new("x".repeat(20_000))).is_ok());
    }

    proptest! {
        #[test]
        fn no_token_brings_the_reader_down(text in any::<String>(), claims in any::<String>()) {
            remark(&Secret::new(text), NOON);
            remark(&token(&claims), NOON);
        }
    }
}
