//! Values of the metadata tree that the user sets instead of made-up ones.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use jiff::Timestamp;

use super::mistake::{Mistake, Mistakes};
use super::setting::Setting;
use crate::role::Region;

/// Leaf names, with `_` for `-`, and what stands there.
pub type Metadata = BTreeMap<String, String>;

/// EC2's own limit on a value is that of a tag; nothing in the tree is longer.
const LONGEST: usize = 256;

/// Takes over what a table says; a later table covers an earlier one.
pub(super) fn absorb<'a>(
    metadata: &mut Metadata,
    table: impl Iterator<Item = (&'a str, Setting<'a>)>,
    mistakes: &mut Mistakes,
) {
    for (name, setting) in table {
        if mistakes.note(check(name, setting)).is_some() {
            metadata.insert(name.to_owned(), setting.text.to_owned());
        }
    }
}

fn check(name: &str, setting: Setting<'_>) -> Result<(), Mistake> {
    let text = setting.text;
    let fits = |fits: bool, expected: &str, hint: &str| {
        if fits { Ok(()) } else { Err(setting.mistake(format!("not {expected}")).hint(hint)) }
    };
    fits(
        text.len() <= LONGEST && !text.chars().any(char::is_control),
        "a value of the tree",
        "it is one line of at most 256 bytes",
    )?;
    match name {
        "local_ipv4" => fits(text.parse::<Ipv4Addr>().is_ok(), "an IPv4 address", "172.31.4.5"),
        "mac" => fits(is_mac(text), "a MAC address", "it looks like 02:0a:0b:0c:0d:0e"),
        "pending_time" => {
            fits(text.parse::<Timestamp>().is_ok(), "a time", "it looks like 2024-05-06T07:08:09Z")
        }
        "region" => setting.parse::<Region>().map(|_| ()),
        _ => Ok(()),
    }
}

fn is_mac(text: &str) -> bool {
    let octets: Vec<&str> = text.split(':').collect();
    octets.len() == 6
        && octets
            .iter()
            .all(|octet| octet.len() == 2 && octet.bytes().all(|b| b.is_ascii_hexdigit()))
}
