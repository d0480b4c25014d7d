//! Everything there is to read, rendered.
//!
//! A tree is made whenever something changes and never changes itself, so one
//! request never sees two generations (C18). What is not in the table of
//! leaves below is 404, `security-credentials-extended` (X2) and the
//! signatures of the identity document (M6) included.

use std::fmt;

use bytes::Bytes;
use jiff::Timestamp;

use super::document;
use super::facts::{Facts, Outcome};
use super::instance::Instance;
use super::listing::directories;
use super::version;
use crate::clock::Now;
use crate::credentials::{Snapshot, Validity};

/// What a path leads to.
#[derive(Clone)]
pub(super) enum Resource {
    /// A value or a listing, the same at all times.
    Value(Bytes),
    /// What depends on the time at which it is read.
    SecurityCredentials(SecurityCredentials),
}

/// The credential document, and when it may be read.
#[derive(Clone)]
pub(super) struct SecurityCredentials {
    held: Option<(Bytes, Validity)>,
    refusal: Option<Bytes>,
}

impl SecurityCredentials {
    fn new(facts: &Facts, snapshot: Option<&Snapshot>, outcome: &Outcome) -> Self {
        Self {
            held: snapshot.map(|snapshot| {
                (document::security_credentials(facts, snapshot), snapshot.validity())
            }),
            refusal: match outcome {
                Outcome::Hopeful => None,
                Outcome::Refused { at } => Some(document::refusal(facts, *at)),
            },
        }
    }

    /// The document, for as long as both clocks call it valid.
    pub(super) fn valid(&self, now: Now) -> Option<&Bytes> {
        let (document, validity) = self.held.as_ref()?;
        (!validity.left(now).is_zero()).then_some(document)
    }

    /// What to say where nothing is valid and STS refused (C9).
    pub(super) const fn refusal(&self) -> Option<&Bytes> {
        self.refusal.as_ref()
    }
}

/// The whole tree; the same one stands under every version (P4).
#[derive(Clone)]
pub struct Tree {
    versions: Resource,
    /// Where the credentials are: what is asked for most, and so found first.
    credentials: (Box<str>, Resource),
    /// The others, in the order of their paths.
    resources: Box<[(Box<str>, Resource)]>,
    modified: Timestamp,
}

impl fmt::Debug for Tree {
    // Some of it is secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tree").field("modified", &self.modified).finish_non_exhaustive()
    }
}

impl Tree {
    /// Renders all of it.
    #[must_use]
    pub fn new(facts: &Facts, snapshot: Option<&Snapshot>, outcome: &Outcome) -> Self {
        let modified = snapshot.map_or(facts.since, |snapshot| snapshot.obtained);
        let instance = Instance::new(facts);
        let leaves = leaves(facts, &instance, modified);
        let credentials = SecurityCredentials::new(facts, snapshot, outcome);
        let place = format!("meta-data/iam/security-credentials/{}", facts.role_name);
        let paths = leaves.iter().map(|(path, _)| path.as_str()).chain([&*place]);
        let directories = directories(paths);
        let listings = directories.into_iter().map(|(path, list)| (path, value(list)));
        let mut resources: Vec<_> = leaves
            .into_iter()
            .chain(listings)
            .map(|(path, resource)| (path.into_boxed_str(), resource))
            .collect();
        resources.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        Self {
            versions: value(version::listing()),
            credentials: (place.into(), Resource::SecurityCredentials(credentials)),
            resources: resources.into_boxed_slice(),
            modified,
        }
    }

    /// When it last changed as a whole: `Last-Modified` of everything in it (G6).
    #[must_use]
    pub const fn modified(&self) -> Timestamp {
        self.modified
    }

    /// Looks a path up, spelled as [`super::path::Path::names`] does; case matters (P12).
    pub(super) fn find(&self, names: &str) -> Option<&Resource> {
        if names.is_empty() {
            return Some(&self.versions);
        }
        let (version, path) = names.split_once('/').unwrap_or((names, ""));
        if !version::is_known(version) {
            return None;
        }
        if *self.credentials.0 == *path {
            return Some(&self.credentials.1);
        }
        let place = self.resources.binary_search_by(|(own, _)| (**own).cmp(path)).ok()?;
        self.resources.get(place).map(|(_, resource)| resource)
    }
}

/// Every path below a version that has a value of its own, but for the credentials.
fn leaves(facts: &Facts, instance: &Instance, modified: Timestamp) -> Vec<(String, Resource)> {
    let meta_data: [(&str, &str); 17] = [
        ("ami-id", &instance.ami_id),
        ("hostname", &instance.hostname),
        ("instance-action", &instance.instance_action),
        ("instance-id", &instance.instance_id),
        ("instance-life-cycle", &instance.instance_life_cycle),
        ("instance-type", &instance.instance_type),
        ("local-hostname", &instance.local_hostname),
        ("local-ipv4", &instance.local_ipv4),
        ("mac", &instance.mac),
        ("placement/availability-zone", &instance.availability_zone),
        ("placement/availability-zone-id", &instance.availability_zone_id),
        ("placement/region", instance.region.as_str()),
        ("profile", &instance.profile),
        ("reservation-id", &instance.reservation_id),
        ("security-groups", &instance.security_groups),
        ("services/domain", &instance.domain),
        ("services/partition", instance.partition.as_str()),
    ];
    let info = document::info(facts, instance, modified);
    let identity = document::identity(facts, instance);
    let documents = [
        ("meta-data/iam/info".to_owned(), Resource::Value(info)),
        ("dynamic/instance-identity/document".to_owned(), Resource::Value(identity)),
    ];
    meta_data
        .into_iter()
        .map(|(path, text)| (format!("meta-data/{path}"), value(text.to_owned())))
        .chain(documents)
        .collect()
}

/// A text as it is, without a line feed at its end (G10).
fn value(text: String) -> Resource {
    // Plain `Bytes` would allocate for the first reader.
    Resource::Value(Bytes::from_owner(text))
}
