//! What a running daemon says about itself: one value, from which `status`, its
//! JSON, the metrics and the service manager's line are made.
//!
//! Pure: whoever holds the parts puts them together. Holds no secret, not even
//! an access key id.

mod clients;
mod issuer;
mod metrics;
mod role;
pub mod scrape;
mod span;
mod text;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use clients::{Clients, Seen};
pub use issuer::IssuerStatus;
pub use role::{Complaint, Held, Needs, RoleStatus, State};
pub use span::{absolute, relative, short, when};
pub use text::{Paint, wrapped};

/// The whole daemon at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Of the program.
    pub version: String,
    /// Of its process.
    pub pid: u32,
    /// When this was said.
    pub now: Timestamp,
    /// When the daemon began.
    pub started: Timestamp,
    /// How long it runs, suspend included.
    #[serde(rename = "uptime_seconds", with = "seconds")]
    pub uptime: Duration,
    /// Everything is wiped and refused until somebody unlocks.
    pub locked: bool,
    /// The role that listeners without one of their own serve.
    pub active: String,
    /// The socket that this came over.
    pub control: Option<PathBuf>,
    /// Where it serves.
    pub listeners: Vec<ListenerStatus>,
    /// How each role stands.
    pub roles: Vec<RoleStatus>,
    /// Whose tokens pods may show, with the keys of each.
    #[serde(default)]
    pub issuers: Vec<IssuerStatus>,
    /// Who asked, the last first.
    pub clients: Vec<Seen>,
}

/// One socket that is served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenerStatus {
    /// What is spoken there, in the words of the settings.
    pub kind: String,
    /// Where, the port resolved.
    pub address: SocketAddr,
    /// What it serves, where that is not the active role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
}

impl Status {
    /// The role of this name; the active one without a name.
    #[must_use]
    pub fn role(&self, name: Option<&str>) -> Option<&RoleStatus> {
        let name = name.unwrap_or(&self.active);
        self.roles.iter().find(|role| role.name == name)
    }
}

/// Spans as whole seconds, the way JSON readers expect them.
mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(span: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(span.as_secs())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_secs)
    }
}

#[cfg(test)]
mod tests;
