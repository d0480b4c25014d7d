//! Values of the metadata tree that the user sets instead of made-up ones.

use std::net::Ipv4Addr;

use jiff::Timestamp;

use super::file::Table;
use super::mistake::{Mistake, Mistakes};
use super::setting::Setting;
pub use crate::imds::Metadata;
use crate::role::{Partition, Region};

/// EC2's own limit on a value is that of a tag; nothing in the tree is longer.
const LONGEST: usize = 256;

/// What the tables say; a later one covers an earlier one. `served` is the Region
/// where none of them names another.
pub(super) fn find<'a>(
    tables: impl Iterator<Item = &'a Table> + Clone,
    served: &Region,
    mistakes: &mut Mistakes,
) -> Metadata {
    let mut metadata = Metadata::new();
    for (name, setting) in tables.clone().flat_map(Table::settings) {
        if mistakes.note(check(name, setting)).is_some() {
            metadata.insert(name.to_owned(), setting.text.to_owned());
        }
    }
    let region = metadata.get("region").map_or(served.as_str(), String::as_str);
    if let Some(zone) = tables.filter_map(|table| table.get("availability_zone")).last() {
        mistakes.note(check_zone(zone, region));
    }
    metadata
}

/// Some SDKs take the Region from the name of the zone.
fn check_zone(zone: Setting<'_>, region: &str) -> Result<(), Mistake> {
    let rest = zone.text.strip_prefix(region);
    if rest.is_some_and(|rest| rest.starts_with(|c: char| c == '-' || c.is_ascii_lowercase())) {
        return Ok(());
    }
    let what = format!("not a zone of {region}, the Region that is served");
    Err(zone.mistake(what).hint(format!("it looks like {region}a; or set region beside it")))
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
        "architecture" => fits(
            ["i386", "x86_64", "arm64"].contains(&text),
            "an architecture",
            "known ones are i386, x86_64 and arm64",
        ),
        "partition" => setting.parse::<Partition>().map(|_| ()),
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
