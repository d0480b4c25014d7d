//! The instance that we seem to be.
//!
//! Its values are made up: valid in form, in keeping with one another and with
//! the Region, and the same for as long as the seed is. Nothing else may be
//! read into them.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::time::Duration;

use jiff::Timestamp;
use ring::hmac;

use crate::clock;
use crate::role::Region;

/// One instance.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::struct_field_names)] // EC2 names them so.
pub(super) struct Instance {
    pub(super) instance_id: String,
    pub(super) instance_type: &'static str,
    pub(super) architecture: &'static str,
    pub(super) ami_id: String,
    pub(super) reservation_id: String,
    pub(super) instance_profile_id: String,
    pub(super) mac: String,
    pub(super) local_ipv4: Ipv4Addr,
    pub(super) hostname: String,
    pub(super) availability_zone: String,
    pub(super) availability_zone_id: String,
    pub(super) pending_time: Timestamp,
}

impl Instance {
    /// Makes one up.
    pub(super) fn new(seed: &[u8; 32], region: &Region) -> Self {
        let draw = Draw(hmac::Key::new(hmac::HMAC_SHA256, seed));
        let local_ipv4 = draw.address();
        let (instance_type, architecture) = hardware();
        Self {
            instance_id: draw.id("i"),
            instance_type,
            architecture,
            ami_id: draw.id("ami"),
            reservation_id: draw.id("r"),
            instance_profile_id: draw.profile_id(),
            mac: draw.mac(),
            local_ipv4,
            hostname: hostname(local_ipv4, region),
            // Every Region has a zone of number 1, and zone letters differ from account to account.
            availability_zone: format!("{region}a"),
            availability_zone_id: format!("{}-az1", abbreviation(region)),
            pending_time: draw.pending_time(),
        }
    }
}

/// The smallest instance type that runs programs of this build.
const fn hardware() -> (&'static str, &'static str) {
    if cfg!(target_arch = "aarch64") { ("t4g.micro", "arm64") } else { ("t3.micro", "x86_64") }
}

/// Draws values that depend on a label and the seed only, and betray nothing of the seed:
/// it may be the key of the metadata tokens, which are derived under a label of their own.
struct Draw(hmac::Key);

impl Draw {
    fn bytes<const N: usize>(&self, label: &str) -> [u8; N] {
        let tag = hmac::sign(&self.0, &[b"instance, ", label.as_bytes()].concat());
        *tag.as_ref().first_chunk().expect("no more than 32 bytes are drawn at once")
    }

    /// `PREFIX-` and 17 hexadecimal digits, of which EC2 begins with a zero.
    fn id(&self, prefix: &str) -> String {
        format!("{prefix}-0{:016x}", u64::from_be_bytes(self.bytes(prefix)))
    }

    /// 21 characters, as every unique id of IAM (C3).
    fn profile_id(&self) -> String {
        const ALPHABET: [char; 32] = [
            'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', 'P', 'Q',
            'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', '2', '3', '4', '5', '6', '7',
        ];
        let drawn: [u8; 17] = self.bytes("instance-profile");
        let tail = drawn.iter().filter_map(|b| ALPHABET.get(usize::from(b % 32)));
        "AIPA".chars().chain(tail.copied()).collect()
    }

    /// Locally administered, like those of VPC interfaces.
    fn mac(&self) -> String {
        let drawn: [u8; 5] = self.bytes("mac");
        drawn.iter().fold("02".to_owned(), |mut mac, b| {
            write!(mac, ":{b:02x}").expect("a String takes all text");
            mac
        })
    }

    /// In a default VPC, clear of the addresses that each subnet reserves.
    fn address(&self) -> Ipv4Addr {
        let [third, fourth] = self.bytes("local-ipv4");
        Ipv4Addr::new(172, 31, third, 4 + fourth % 250)
    }

    /// Some second of 2024: before any daemon of ours was started.
    fn pending_time(&self) -> Timestamp {
        const YEAR: u64 = 366 * 24 * 3600;
        let start = Timestamp::constant(1_704_067_200, 0);
        let second = u64::from_be_bytes(self.bytes("pending-time")) % YEAR;
        clock::later(start, Duration::from_secs(second))
    }
}

/// The private DNS name; the first Region has kept its old suffix.
fn hostname(address: Ipv4Addr, region: &Region) -> String {
    let [a, b, c, d] = address.octets();
    match region.as_str() {
        "us-east-1" => format!("ip-{a}-{b}-{c}-{d}.ec2.internal"),
        region => format!("ip-{a}-{b}-{c}-{d}.{region}.compute.internal"),
    }
}

/// A Region as zone ids begin: `usw2` for `us-west-2`, `apne1` for `ap-northeast-1`.
fn abbreviation(region: &Region) -> String {
    let mut words = region.as_str().split('-');
    let area = words.next().unwrap_or_default().to_owned();
    words.fold(area, |text, word| text + shortened(word))
}

fn shortened(word: &str) -> &str {
    match word {
        "northeast" => "ne",
        "northwest" => "nw",
        "southeast" => "se",
        "southwest" => "sw",
        number if number.starts_with(|c: char| c.is_ascii_digit()) => number,
        other => other.get(..1).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn region(name: &str) -> Region {
        name.parse().unwrap()
    }

    fn is_id(text: &str, prefix: &str, digits: usize) -> bool {
        text.strip_prefix(prefix).is_some_and(|rest| {
            rest.len() == digits && rest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        })
    }

    proptest! {
        #[test]
        fn every_seed_makes_values_of_valid_form(seed in any::<[u8; 32]>()) {
            let one = Instance::new(&seed, &region("eu-central-1"));
            prop_assert!(is_id(&one.instance_id, "i-", 17));
            prop_assert!(is_id(&one.ami_id, "ami-", 17));
            prop_assert!(is_id(&one.reservation_id, "r-", 17));
            prop_assert!(one.instance_profile_id.starts_with("AIPA"));
            prop_assert_eq!(one.instance_profile_id.len(), 21);
            prop_assert_eq!(one.mac.len(), 17);
            prop_assert!(one.mac.starts_with("02:") && is_id(&one.mac.replace(':', ""), "02", 10));
            prop_assert!(one.local_ipv4.is_private());
            let last = one.local_ipv4.octets()[3];
            prop_assert!((4..=253).contains(&last));
            prop_assert!(one.pending_time.to_string().starts_with("2024-"));
            prop_assert_eq!(&one, &Instance::new(&seed, &region("eu-central-1")), "stable");
        }
    }

    #[test]
    fn two_installations_are_two_instances() {
        let one = Instance::new(&[1; 32], &region("eu-central-1"));
        let other = Instance::new(&[2; 32], &region("eu-central-1"));
        assert_ne!(one.instance_id, other.instance_id);
        assert_ne!(one.mac, other.mac);
    }

    #[test]
    fn host_names_have_the_suffix_of_their_region() {
        let address = Ipv4Addr::new(172, 31, 4, 5);
        let name = |name| hostname(address, &region(name));
        assert_eq!(name("us-east-1"), "ip-172-31-4-5.ec2.internal");
        assert_eq!(name("us-east-2"), "ip-172-31-4-5.us-east-2.compute.internal");
        assert_eq!(name("cn-north-1"), "ip-172-31-4-5.cn-north-1.compute.internal");
    }

    #[test]
    fn zones_are_named_after_their_region() {
        for (name, id) in [
            ("us-west-2", "usw2-az1"),
            ("us-east-1", "use1-az1"),
            ("eu-central-1", "euc1-az1"),
            ("ap-northeast-1", "apne1-az1"),
            ("ap-southeast-2", "apse2-az1"),
            ("ap-east-1", "ape1-az1"),
            ("sa-east-1", "sae1-az1"),
            ("ca-west-1", "caw1-az1"),
            ("us-gov-west-1", "usgw1-az1"),
            ("cn-north-1", "cnn1-az1"),
            ("cn-northwest-1", "cnnw1-az1"),
        ] {
            let one = Instance::new(&[0; 32], &region(name));
            assert_eq!(one.availability_zone_id, id);
            assert_eq!(one.availability_zone, format!("{name}a"));
        }
    }
}
