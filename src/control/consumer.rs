//! Consumers of the container endpoint, as they go over the socket.

use std::fmt;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};

use crate::secret::Secret;
use crate::sts::request::Narrowing;

/// The process at the other end of the control socket, as the kernel reports it.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its user id.
    pub uid: u32,
    /// Its process id; `None` if it is in a pid namespace that cannot be seen from here.
    pub pid: Option<u32>,
    /// A descriptor of this very process, so that a reused process id is noticed; `None` on
    /// kernels before Linux 6.5 and on other systems.
    pub pidfd: Option<Arc<OwnedFd>>,
}

/// What a consumer is to be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Wanted {
    /// What it is called; the daemon finds a name where there is none.
    pub name: Option<String>,
    /// The role it may have; the active one without.
    pub role: Option<String>,
    /// How long it counts; until it is revoked, without.
    pub lifetime_seconds: Option<u64>,
    /// It outlives a restart of the daemon.
    pub kept: bool,
    /// It shows its secret in the path, for clients that send no `Authorization`.
    pub in_path: bool,
    /// It is the calling process, and ends with it.
    pub process: bool,
    /// What its session is to do less than the role's.
    pub narrowing: Option<Narrowing>,
}

/// A consumer that has just been made: the only time that its secret is told.
#[derive(Clone, Deserialize, Serialize)]
pub struct Minted {
    /// What it is called.
    pub name: String,
    /// The role it may have.
    pub role: String,
    /// Where that role seems to stand.
    pub region: String,
    /// What an SDK is told: whole, or relative where the secret is in it.
    pub uri: String,
    /// What it shows; empty where the URI holds it.
    #[serde(serialize_with = "exposed", deserialize_with = "hidden")]
    pub secret: Secret,
    /// Its own folder, with a file `token`; for a process only.
    pub folder: Option<PathBuf>,
}

impl fmt::Debug for Minted {
    // The URI may be a secret, too.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Minted").field("name", &self.name).finish_non_exhaustive()
    }
}

fn exposed<S: Serializer>(secret: &Secret, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(secret.expose())
}

fn hidden<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Secret, D::Error> {
    String::deserialize(from).map(Secret::new)
}

/// A consumer, as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// What it is called.
    pub name: String,
    /// The role it may have.
    pub role: String,
    /// Where it shows its secret: `authorization` or `path`.
    pub place: String,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last served, since the daemon started.
    pub last_use: Option<Timestamp>,
    /// When it ends by itself.
    pub expires: Option<Timestamp>,
    /// It outlives a restart.
    pub kept: bool,
    /// It has a session of its own, which may do less than the role's.
    #[serde(default)]
    pub narrowed: bool,
}
