//! Identifiers: some always the same for a name, some never the same.

use ring::rand::{SecureRandom as _, SystemRandom};

use super::mac;
use super::refusal::{Code, Refusal};

/// The account of the demo user; AWS uses it in its documentation.
pub const DEMO_ACCOUNT: &str = "123456789012";

/// An identifier of 21 characters, always the same for the same name.
pub(super) fn unique_id(prefix: &str, name: &str) -> String {
    let tag = mac::sign("unique id", &[name.as_bytes()]);
    let number = tag.as_ref().iter().fold(0_u128, |n, byte| n << 8 | u128::from(*byte));
    format!("{prefix}{}", base32(number, 17))
}

/// The last `digits` digits of a number, of five bits each.
pub(super) fn base32(number: u128, digits: u32) -> String {
    (0..digits)
        .rev()
        .map(|place| match u8::try_from(number >> (5 * place) & 31).unwrap_or_default() {
            letter @ 0..26 => char::from(b'A' + letter),
            digit => char::from(b'2' + digit - 26),
        })
        .collect()
}

/// A fresh request id, in the form of a UUID.
pub(super) fn request_id() -> Result<String, Refusal> {
    let hex = format!("{:032x}", u128::from_be_bytes(random()?));
    let ends = [8, 12, 16, 20, 32];
    let starts = [0, 8, 12, 16, 20];
    let groups: Vec<_> =
        starts.into_iter().zip(ends).filter_map(|(from, to)| hex.get(from..to)).collect();
    Ok(groups.join("-"))
}

/// Fails only where the system has no random numbers.
pub(super) fn random() -> Result<[u8; 16], Refusal> {
    let mut bytes = [0; 16];
    match SystemRandom::new().fill(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(_) => Err(Refusal::plain(Code::InternalFailure)),
    }
}
