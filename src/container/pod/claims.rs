//! The claims of a service-account token (RFC 7519, 4.1), and whether they count now.

use jiff::Timestamp;
use serde::Deserialize;

/// How far the clocks of the issuer and of this machine may be apart, in seconds.
const LEEWAY: f64 = 60.0;

/// Those that decide anything. A claim that occurs twice makes the token unreadable.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Claims {
    #[serde(rename = "iss", default)]
    pub(super) issuer: String,
    #[serde(rename = "sub", default)]
    pub(super) subject: String,
    #[serde(rename = "aud", default)]
    pub(super) audience: Audience,
    /// Seconds since 1970, perhaps with a fraction, as are the others.
    exp: Option<f64>,
    nbf: Option<f64>,
    iat: Option<f64>,
}

/// One or several recipients.
#[derive(Debug, Clone, PartialEq, Deserialize)]
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
    pub(super) fn includes(&self, name: &str) -> bool {
        match self {
            Self::One(only) => only == name,
            Self::Several(several) => several.iter().any(|one| one == name),
        }
    }
}

impl Claims {
    /// Checks the times. The error goes to the client (K4).
    pub(super) fn check_times(&self, now: Timestamp) -> Result<(), &'static str> {
        let now = now.as_duration().as_secs_f64();
        let is_ahead = |time: Option<f64>| time.is_some_and(|time| now + LEEWAY < time);
        match self.exp {
            None => Err("token is missing required claim: exp claim is required"),
            Some(end) if now >= end + LEEWAY => Err("token has invalid claims: token is expired"),
            _ if is_ahead(self.nbf) => Err("token has invalid claims: token is not valid yet"),
            _ if is_ahead(self.iat) => Err("token has invalid claims: token used before issued"),
            _ => Ok(()),
        }
    }
}
