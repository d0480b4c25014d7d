//! The public keys of one issuer (JWKS, RFC 7517), and what they signed.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64_URL;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
    UnparsedPublicKey, VerificationAlgorithm,
};
use serde::Deserialize;

use super::token::{Header, Token};

/// More keys than any issuer has; each one without a name may be tried.
const MOST: usize = 64;

/// Why a text holds no keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoKeys {
    /// It is something else.
    #[error("it is no JSON web key set")]
    Malformed,
    /// It is one, but of other keys.
    #[error("it holds no key for RS256, RS384, RS512, ES256 or ES384")]
    Unknown,
}

/// The keys of one issuer.
#[derive(Clone, PartialEq, Eq)]
pub struct Keyring(Vec<Key>);

#[derive(Clone, PartialEq, Eq)]
struct Key {
    kid: Option<String>,
    /// The only algorithm that it is meant for.
    alg: Option<String>,
    material: Material,
}

#[derive(Clone, PartialEq, Eq)]
enum Material {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// An uncompressed point of this curve.
    Curve {
        name: String,
        point: Vec<u8>,
    },
}

/// What a token's signature is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Genuine,
    Forged,
    /// By a key that is not here; its issuer may have made a new one.
    UnknownKey,
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    n: Option<String>,
    e: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Keyring {
    /// Reads a key set; keys of other kinds are passed over.
    ///
    /// # Errors
    /// Where it is none, or no key in it is of use.
    pub fn read(text: &str) -> Result<Self, NoKeys> {
        let set: Set = serde_json::from_str(text).map_err(|_| NoKeys::Malformed)?;
        let keys =
            set.keys.into_iter().filter_map(|key| Key::of(serde_json::from_value(key).ok()?));
        let keys: Vec<Key> = keys.take(MOST).collect();
        if keys.is_empty() { Err(NoKeys::Unknown) } else { Ok(Self(keys)) }
    }

    pub(super) fn judge(&self, token: &Token<'_>) -> Verdict {
        let named = |key: &&Key| token.header.kid.is_none() || key.kid == token.header.kid;
        let mut candidates = self.0.iter().filter(named).peekable();
        if candidates.peek().is_none() {
            return Verdict::UnknownKey;
        }
        if candidates.any(|key| key.signed(token)) { Verdict::Genuine } else { Verdict::Forged }
    }
}

impl Key {
    fn of(jwk: Jwk) -> Option<Self> {
        if jwk.purpose.is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let bytes = |text: Option<String>| BASE64_URL.decode(text?).ok();
        let material = match (&*jwk.kty, jwk.crv) {
            ("RSA", _) => Material::Rsa { n: bytes(jwk.n)?, e: bytes(jwk.e)? },
            ("EC", Some(name)) => {
                let point = [vec![4], bytes(jwk.x)?, bytes(jwk.y)?].concat();
                Material::Curve { name, point }
            }
            _ => return None,
        };
        Some(Self { kid: jwk.kid, alg: jwk.alg, material })
    }

    /// The key's kind decides what may be asked of it, not the token: no key is taken for
    /// another's secret.
    fn signed(&self, token: &Token<'_>) -> bool {
        let Token { header: Header { alg, .. }, signed, signature, .. } = token;
        if self.alg.as_ref().is_some_and(|only| only != alg) {
            return false;
        }
        match &self.material {
            Material::Rsa { n, e } => rsa(alg).is_some_and(|parameters| {
                RsaPublicKeyComponents { n, e }.verify(parameters, signed, signature).is_ok()
            }),
            Material::Curve { name, point } => curve(alg, name).is_some_and(|algorithm| {
                UnparsedPublicKey::new(algorithm, point).verify(signed, signature).is_ok()
            }),
        }
    }
}

fn rsa(alg: &str) -> Option<&'static RsaParameters> {
    Some(match alg {
        "RS256" => &RSA_PKCS1_2048_8192_SHA256,
        "RS384" => &RSA_PKCS1_2048_8192_SHA384,
        "RS512" => &RSA_PKCS1_2048_8192_SHA512,
        _ => return None,
    })
}

fn curve(alg: &str, curve: &str) -> Option<&'static dyn VerificationAlgorithm> {
    Some(match (alg, curve) {
        ("ES256", "P-256") => &ECDSA_P256_SHA256_FIXED,
        ("ES384", "P-384") => &ECDSA_P384_SHA384_FIXED,
        _ => return None,
    })
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({} keys)", self.0.len())
    }
}
