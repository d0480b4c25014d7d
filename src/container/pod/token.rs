//! A service-account token, a JWT (RFC 7519) in compact form (RFC 7515): parsed, not yet verified.
//!
//! Header parameters that name or contain keys (`jku`, `jwk`, `x5u`, `x5c`) are never read:
//! only the key set of the issuer counts.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64_URL;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer};

use super::claims::Claims;

/// Bytes of a token. Those of Kubernetes have one to two thousand.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// The three parts of a token.
#[derive(Debug)]
pub(super) struct Token<'a> {
    pub(super) header: Header,
    pub(super) claims: Claims,
    /// The bytes that the signature covers.
    pub(super) signed: &'a [u8],
    /// Empty if it was not base64url.
    pub(super) signature: Vec<u8>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Header {
    pub(super) alg: String,
    pub(super) kid: Option<String>,
    /// True if it is there at all.
    #[serde(default, deserialize_with = "is_present")]
    crit: bool,
    /// False for an unencoded payload (RFC 7797).
    #[serde(default = "yes")]
    b64: bool,
}

impl<'a> Token<'a> {
    /// Parses it. The error goes to the client (K4).
    pub(super) fn parse(text: &'a [u8]) -> Result<Self, &'static str> {
        if text.len() > MAX_TOKEN_BYTES {
            return Err("token is too long");
        }
        let text = std::str::from_utf8(text).map_err(|_| "token is malformed")?;
        let mut parts = text.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err("token contains an invalid number of segments");
        };
        let signed = text.as_bytes().get(..header.len() + 1 + claims.len());
        let header: Header = part(header).ok_or("its header is malformed")?;
        header.check()?;
        Ok(Self {
            header,
            claims: part(claims).ok_or("its claims are malformed")?,
            signed: signed.ok_or("token is malformed")?,
            // A signature that cannot be decoded is reported after the times (K4).
            signature: BASE64_URL.decode(signature).unwrap_or_default(),
        })
    }
}

impl Header {
    /// No extension is implemented, so that each critical one is unknown; and `crit` without
    /// a name in it, or that is no array, makes the token invalid (RFC 7515, 4.1.11). A JWT
    /// has no unencoded payload (RFC 7797, 7).
    const fn check(&self) -> Result<(), &'static str> {
        if self.crit {
            return Err("its header has critical extensions, and none is known");
        }
        if !self.b64 {
            return Err("its payload is not encoded");
        }
        Ok(())
    }
}

const fn yes() -> bool {
    true
}

fn is_present<'de, D: Deserializer<'de>>(value: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(value)?;
    Ok(true)
}

/// An object: serde would take an array for one, too.
fn part<T: DeserializeOwned>(text: &str) -> Option<T> {
    let json = BASE64_URL.decode(text).ok()?;
    let is_object = json.trim_ascii_start().starts_with(b"{");
    is_object.then(|| serde_json::from_slice(&json).ok())?
}
