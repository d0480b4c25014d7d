//! The arithmetic of Signature Version 4: from a request's bytes to the hex digits.
//!
//! Knows what is signed and how, not whether the result is any good.

use ring::{digest, hmac};

use super::form::{decoded, encoded, hex_digits, pairs};
use super::wire::Request;
use crate::secret::Secret;

/// The one algorithm there is here.
pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// What the holder of `secret` gets when signing `fields` and all else of `request`
/// at a time, in a scope.
pub(super) fn signature(
    request: &Request,
    fields: &[String],
    (time, scope): (&str, &str),
    secret: &Secret,
) -> String {
    let text = [ALGORITHM, time, scope, &sha256(&canonical(request, fields))].join("\n");
    let start = Secret::new(format!("AWS4{}", secret.expose()));
    let mut key = hmac::Key::new(hmac::HMAC_SHA256, start.expose().as_bytes());
    for part in scope.split('/') {
        key = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref());
    }
    hex(hmac::sign(&key, text.as_bytes()).as_ref())
}

fn canonical(request: &Request, fields: &[String]) -> Vec<u8> {
    let mut out = Vec::new();
    for line in [&*request.method, &*request.path, &*canonical_query(&request.query)] {
        out.extend(line.bytes());
        out.push(b'\n');
    }
    for name in fields {
        out.extend(name.bytes());
        out.push(b':');
        out.extend(canonical_value(request, name));
        out.push(b'\n');
    }
    let end = format!("\n{}\n{}", fields.join(";"), sha256(&request.body));
    out.extend(end.bytes());
    out
}

/// Every pair but the signature itself, encoded anew and in order.
fn canonical_query(query: &str) -> String {
    let anew = |text: &str| decoded(text).map_or_else(|| text.to_owned(), |text| encoded(&text));
    let mut pairs: Vec<_> = pairs(query)
        .filter(|(name, _)| *name != "X-Amz-Signature")
        .map(|(name, value)| (anew(name), anew(value)))
        .collect();
    pairs.sort();
    let pairs: Vec<_> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

/// All values of a field, joined by commas, each trimmed and with its blanks run together.
fn canonical_value(request: &Request, name: &str) -> Vec<u8> {
    let of_name = request.fields.iter().filter(|(n, _)| n == name);
    let values: Vec<Vec<u8>> = of_name
        .map(|(_, value)| {
            let words: Vec<&[u8]> =
                value.split(|b| b" \t".contains(b)).filter(|w| !w.is_empty()).collect();
            words.join(&b' ')
        })
        .collect();
    values.join(&b',')
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().copied().flat_map(hex_digits).collect()
}
