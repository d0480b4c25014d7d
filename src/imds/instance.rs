//! The instance that we seem to be.
//!
//! What the user has not set is made up: valid in form, in keeping with what is
//! set, with one another and with the Region, and the same for as long as the
//! seed is. Nothing else may be read into it.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use ring::hmac;

use super::facts::{Facts, Metadata};
use crate::clock;
use crate::role::{Partition, Region};

/// One instance.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::struct_field_names)] // EC2 names them so.
pub(super) struct Instance {
    pub(super) ami_id: String,
    pub(super) architecture: String,
    pub(super) availability_zone: String,
    pub(super) availability_zone_id: String,
    pub(super) domain: String,
    pub(super) hostname: String,
    pub(super) instance_action: String,
    pub(super) instance_id: String,
    pub(super) instance_life_cycle: String,
    pub(super) instance_profile_id: String,
    pub(super) instance_type: String,
    pub(super) local_hostname: String,
    pub(super) local_ipv4: String,
    pub(super) mac: String,
    pub(super) partition: Partition,
    pub(super) pending_time: Timestamp,
    pub(super) profile: String,
    pub(super) region: Region,
    pub(super) reservation_id: String,
    pub(super) security_groups: String,
}

impl Instance {
    /// Takes what is set, and makes up the rest.
    pub(super) fn new(facts: &Facts) -> Self {
        let draw = Draw(hmac::Key::new(hmac::HMAC_SHA256, &facts.seed));
        let set = Set(&facts.metadata);
        let region = set.parsed("region").unwrap_or_else(|| facts.region.clone());
        let partition = set.parsed("partition").unwrap_or(facts.partition);
        let local_ipv4 = set.or("local_ipv4", || draw.address().to_string());
        let hostname = set.or("hostname", || hostname(&local_ipv4, &region));
        let (instance_type, architecture) = hardware(&set);
        // Zone letters differ from account to account, but every Region has some first zone.
        let availability_zone = set.or("availability_zone", || format!("{region}a"));
        Self {
            ami_id: set.or("ami_id", || draw.id("ami")),
            architecture,
            availability_zone_id: set
                .or("availability_zone_id", || zone_id(&availability_zone, &region)),
            availability_zone,
            domain: set.or("domain", || partition.domain().to_owned()),
            instance_action: set.or("instance_action", || "none".to_owned()),
            instance_id: set.or("instance_id", || draw.id("i")),
            instance_life_cycle: set.or("instance_life_cycle", || "on-demand".to_owned()),
            instance_profile_id: set.or("instance_profile_id", || draw.profile_id()),
            instance_type,
            local_hostname: set.or("local_hostname", || hostname.clone()),
            hostname,
            local_ipv4,
            mac: set.or("mac", || draw.mac()),
            partition,
            pending_time: set.parsed("pending_time").unwrap_or_else(|| draw.pending_time()),
            profile: set.or("profile", || "default-hvm".to_owned()),
            region,
            reservation_id: set.or("reservation_id", || draw.id("r")),
            security_groups: set.or("security_groups", || "default".to_owned()),
        }
    }
}

/// What is set; values that do not parse were refused long before.
struct Set<'a>(&'a Metadata);

impl Set<'_> {
    fn or(&self, name: &str, made_up: impl FnOnce() -> String) -> String {
        self.0.get(name).cloned().unwrap_or_else(made_up)
    }

    fn parsed<T: FromStr>(&self, name: &str) -> Option<T> {
        self.0.get(name)?.parse().ok()
    }
}

/// An instance type and an architecture that go together; untold, those of this build.
fn hardware(set: &Set<'_>) -> (String, String) {
    let own = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
    let by_type = set.0.get("instance_type").map_or(own, |kind| architecture(kind));
    let architecture = set.or("architecture", || by_type.to_owned());
    let smallest = if architecture == "arm64" { "t4g.micro" } else { "t3.micro" };
    (set.or("instance_type", || smallest.to_owned()), architecture)
}

/// Instance types of the first Graviton are `a1`, later ones have a `g` behind the generation.
fn architecture(instance_type: &str) -> &'static str {
    let family = instance_type.split('.').next().unwrap_or_default();
    let options = family.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    let options = options.trim_start_matches(|c: char| c.is_ascii_digit());
    if family == "a1" || options.contains('g') { "arm64" } else { "x86_64" }
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
fn hostname(address: &str, region: &Region) -> String {
    let digits = address.replace('.', "-");
    match region.as_str() {
        "us-east-1" => format!("ip-{digits}.ec2.internal"),
        region => format!("ip-{digits}.{region}.compute.internal"),
    }
}

/// As if the letters of zones followed their numbers, which they do in some account.
fn zone_id(zone: &str, region: &Region) -> String {
    let letter = zone.strip_prefix(region.as_str()).and_then(|rest| rest.bytes().next());
    let number = letter.filter(u8::is_ascii_lowercase).map_or(1, |letter| letter - b'a' + 1);
    format!("{}-az{number}", abbreviation(region))
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

    fn made_up(seed: &[u8; 32], name: &str) -> Instance {
        with(seed, name, &[])
    }

    fn with(seed: &[u8; 32], name: &str, set: &[(&str, &str)]) -> Instance {
        let set = set.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        Instance::new(&Facts {
            role_name: "deploy".parse().unwrap(),
            account: "123456789012".parse().unwrap(),
            partition: region(name).partition(),
            region: region(name),
            seed: *seed,
            metadata: set.collect(),
            since: Timestamp::UNIX_EPOCH,
            account_id_in_document: false,
        })
    }

    fn is_id(text: &str, prefix: &str, digits: usize) -> bool {
        text.strip_prefix(prefix).is_some_and(|rest| {
            rest.len() == digits && rest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        })
    }

    proptest! {
        #[test]
        fn every_seed_makes_values_of_valid_form(seed in any::<[u8; 32]>()) {
            let one = made_up(&seed, "eu-central-1");
            prop_assert!(is_id(&one.instance_id, "i-", 17));
            prop_assert!(is_id(&one.ami_id, "ami-", 17));
            prop_assert!(is_id(&one.reservation_id, "r-", 17));
            prop_assert!(one.instance_profile_id.starts_with("AIPA"));
            prop_assert_eq!(one.instance_profile_id.len(), 21);
            prop_assert_eq!(one.mac.len(), 17);
            prop_assert!(one.mac.starts_with("02:") && is_id(&one.mac.replace(':', ""), "02", 10));
            let address: Ipv4Addr = one.local_ipv4.parse().unwrap();
            prop_assert!(address.is_private());
            let last = address.octets()[3];
            prop_assert!((4..=253).contains(&last));
            prop_assert!(one.pending_time.to_string().starts_with("2024-"));
            prop_assert_eq!(&one, &made_up(&seed, "eu-central-1"), "stable");
        }
    }

    #[test]
    fn two_installations_are_two_instances() {
        let one = made_up(&[1; 32], "eu-central-1");
        let other = made_up(&[2; 32], "eu-central-1");
        assert_ne!(one.instance_id, other.instance_id);
        assert_ne!(one.mac, other.mac);
    }

    #[test]
    fn host_names_have_the_suffix_of_their_region() {
        let name = |name| hostname("172.31.4.5", &region(name));
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
            let one = made_up(&[0; 32], name);
            assert_eq!(one.availability_zone_id, id);
            assert_eq!(one.availability_zone, format!("{name}a"));
        }
    }
    #[test]
    fn what_is_made_up_keeps_with_what_is_set() {
        let one =
            with(&[0; 32], "us-west-2", &[("region", "us-east-1"), ("local_ipv4", "10.0.0.7")]);
        assert_eq!(one.availability_zone, "us-east-1a");
        assert_eq!(one.availability_zone_id, "use1-az1");
        assert_eq!(one.hostname, "ip-10-0-0-7.ec2.internal");
        assert_eq!(one.local_hostname, one.hostname);
        let zone = |zone| with(&[0; 32], "us-west-2", &[("availability_zone", zone)]);
        assert_eq!(zone("us-west-2c").availability_zone_id, "usw2-az3");
        assert_eq!(zone("us-west-2-lax-1a").availability_zone_id, "usw2-az1");
        let named = with(&[0; 32], "us-west-2", &[("hostname", "box")]);
        assert_eq!((named.hostname.as_str(), named.local_hostname.as_str()), ("box", "box"));
        assert_eq!(
            with(&[0; 32], "us-west-2", &[("partition", "aws-cn")]).domain,
            "amazonaws.com.cn"
        );
    }

    #[test]
    fn an_instance_type_and_an_architecture_go_together() {
        for (kind, wanted) in [
            ("m7g.large", "arm64"),
            ("c6gn.metal", "arm64"),
            ("im4gn.large", "arm64"),
            ("x2gd.medium", "arm64"),
            ("a1.medium", "arm64"),
            ("g5g.xlarge", "arm64"),
            ("g5.xlarge", "x86_64"),
            ("g4dn.xlarge", "x86_64"),
            ("m7i-flex.large", "x86_64"),
            ("t3.micro", "x86_64"),
            ("u-6tb1.metal", "x86_64"),
            ("mine", "x86_64"),
        ] {
            assert_eq!(
                with(&[0; 32], "us-west-2", &[("instance_type", kind)]).architecture,
                wanted
            );
        }
        let arm = with(&[0; 32], "us-west-2", &[("architecture", "arm64")]);
        assert_eq!(arm.instance_type, "t4g.micro");
    }
}
