//! The public keys of one issuer, a JWK set (RFC 7517), and which tokens they signed.

use std::fmt;
use std::ops::RangeInclusive;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64_URL;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
    UnparsedPublicKey, VerificationAlgorithm,
};
use serde::Deserialize;

use super::token::{Header, Token};
use crate::container::digest::Digest;

/// More keys than any issuer has: a token without `kid` may have each of them tried.
const MAX_KEYS: usize = 64;
/// Bits of an RSA modulus: the least that RFC 7518 (3.3) allows, the most that is verified.
const RSA_BITS: RangeInclusive<usize> = 2048..=8192;

/// The text is no JWK set. One that lists no usable key is one, and its issuer has no keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a JSON web key set")]
pub struct InvalidKeySet;

/// The usable keys of one issuer. Two sets of the same text are equal.
#[derive(Clone, PartialEq, Eq)]
pub struct Keyring {
    keys: Vec<Key>,
    /// Tells this set from all others.
    pub(super) fingerprint: Digest,
}

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

/// What a signature proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Genuine,
    /// None of so many keys made it.
    Forged(u32),
    /// It names a key that is not in the set; the issuer may have a new one.
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
    key_ops: Option<Vec<String>>,
    n: Option<String>,
    e: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Keyring {
    /// Parses a JWK set. Keys of other kinds, too weak or malformed ones are left out.
    ///
    /// # Errors
    /// If it is not a JWK set.
    pub fn read(text: &str) -> Result<Self, InvalidKeySet> {
        let set: Set = serde_json::from_str(text).map_err(|_| InvalidKeySet)?;
        let keys =
            set.keys.into_iter().filter_map(|key| Key::of(serde_json::from_value(key).ok()?));
        let fingerprint = Digest::of(text.as_bytes());
        Ok(Self { keys: keys.take(MAX_KEYS).collect(), fingerprint })
    }

    /// How many keys can be used.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.keys.len()
    }

    /// True if no key in it can be used.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub(super) fn judge(&self, token: &Token<'_>) -> Verdict {
        let is_named = |key: &&Key| token.header.kid.is_none() || key.kid == token.header.kid;
        let mut tried = 0;
        for key in self.keys.iter().filter(is_named) {
            if key.signed(token) {
                return Verdict::Genuine;
            }
            tried += 1;
        }
        if tried == 0 { Verdict::UnknownKey } else { Verdict::Forged(tried) }
    }
}

impl Key {
    fn of(jwk: Jwk) -> Option<Self> {
        let verifies = jwk.purpose.is_none_or(|purpose| purpose == "sig")
            && jwk.key_ops.is_none_or(|operations| operations.iter().any(|it| it == "verify"));
        if !verifies {
            return None;
        }
        let material = match (&*jwk.kty, jwk.crv) {
            ("RSA", _) => Material::rsa(decoded(jwk.n)?, decoded(jwk.e)?)?,
            ("EC", Some(name)) => Material::curve(name, &decoded(jwk.x)?, &decoded(jwk.y)?)?,
            _ => return None,
        };
        Some(Self { kid: jwk.kid, alg: jwk.alg, material })
    }

    /// The kind of the key decides what it can verify, not the token: no public key is taken
    /// for the secret of an HMAC.
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

impl Material {
    fn rsa(n: Vec<u8>, e: Vec<u8>) -> Option<Self> {
        let unused = usize::try_from(n.first()?.leading_zeros()).ok()?;
        RSA_BITS.contains(&(n.len() * 8 - unused)).then_some(Self::Rsa { n, e })
    }

    /// Coordinates have their full length (RFC 7518, 6.2.1.2). Whether the point is on the
    /// curve is checked with each signature.
    fn curve(name: String, x: &[u8], y: &[u8]) -> Option<Self> {
        let length = match &*name {
            "P-256" => 32,
            "P-384" => 48,
            _ => return None,
        };
        let fits = x.len() == length && y.len() == length;
        fits.then(|| Self::Curve { name, point: [&[4], x, y].concat() })
    }
}

fn decoded(text: Option<String>) -> Option<Vec<u8>> {
    BASE64_URL.decode(text?).ok()
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
        write!(f, "Keyring({} keys)", self.keys.len())
    }
}
