//! The token of a service account: a JWT, read but not yet believed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64_URL;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Longer ones are no tokens of Kubernetes, which are of one to two thousand characters.
const LONGEST: usize = 16 * 1024;

/// What stands in one.
#[derive(Debug)]
pub(super) struct Token<'a> {
    pub(super) header: Header,
    pub(super) claims: Claims,
    /// What the signature is about.
    pub(super) signed: &'a [u8],
    pub(super) signature: Vec<u8>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Header {
    pub(super) alg: String,
    pub(super) kid: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    #[serde(rename = "iss", default)]
    pub(super) issuer: String,
    #[serde(rename = "sub", default)]
    pub(super) subject: String,
    #[serde(rename = "aud", default)]
    pub(super) audience: Audience,
    exp: Option<f64>,
    nbf: Option<f64>,
}

/// One, or several.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Default for Audience {
    fn default() -> Self {
        Self::Several(Vec::new())
    }
}

impl Audience {
    pub(super) fn holds(&self, name: &str) -> bool {
        match self {
            Self::One(only) => only == name,
            Self::Several(several) => several.iter().any(|one| one == name),
        }
    }
}

impl<'a> Token<'a> {
    /// Takes it apart; the text says what is wrong with it (K4).
    pub(super) fn read(text: &'a [u8]) -> Result<Self, &'static str> {
        if text.len() > LONGEST {
            return Err("token is too long");
        }
        let text = std::str::from_utf8(text).map_err(|_| "token is malformed")?;
        let parts: Vec<&str> = text.split('.').collect();
        let &[header, claims, signature] = parts.as_slice() else {
            return Err("token contains an invalid number of segments");
        };
        let signed = text.as_bytes().get(..header.len() + 1 + claims.len());
        Ok(Self {
            header: part(header).ok_or("its header is malformed")?,
            claims: part(claims).ok_or("its claims are malformed")?,
            signed: signed.ok_or("token is malformed")?,
            // What cannot be read is nobody's signature; that is told after the claims (K4).
            signature: BASE64_URL.decode(signature).unwrap_or_default(),
        })
    }
}

impl Claims {
    /// K4: whether it is valid at this moment.
    pub(super) fn check_times(&self, now: Timestamp) -> Result<(), &'static str> {
        let now = now.as_duration().as_secs_f64();
        match self.exp {
            None => return Err("token is missing required claim: exp claim is required"),
            Some(end) if now >= end => return Err("token has invalid claims: token is expired"),
            Some(_) => {}
        }
        match self.nbf {
            Some(start) if now < start => Err("token has invalid claims: token is not valid yet"),
            _ => Ok(()),
        }
    }
}

fn part<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_slice(&BASE64_URL.decode(text).ok()?).ok()
}
