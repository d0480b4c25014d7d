//! What the tree is rendered from, besides the credentials themselves.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;

use crate::credentials::Grant;
use crate::role::{AccountId, Partition, Region, RoleName};

/// Values of the tree that are set, not made up: names of leaves, with `_` for `-`.
pub type Metadata = BTreeMap<String, String>;

/// What is known about the role and this installation.
#[derive(Clone)]
pub struct Facts {
    /// The one name that is listed (C4).
    pub role_name: RoleName,
    /// Whose role it is; the unknown account until somebody tells.
    pub account: AccountId,
    /// The partition of that account.
    pub partition: Partition,
    /// Where the instance seems to stand.
    pub region: Region,
    /// Made-up values derive from it and last as long as it does; may be secret.
    pub seed: [u8; 32],
    /// What the user wants to stand in the tree.
    pub metadata: Metadata,
    /// The start of the daemon: what counts as the last update before the first one.
    pub since: Timestamp,
    /// Adds `AccountId` to the credential document (C5).
    pub account_id_in_document: bool,
}

impl Facts {
    /// Takes over what a source knows only once it has delivered.
    pub fn learn(&mut self, grant: &Grant) {
        if let Some(arn) = &grant.role_arn {
            self.partition = arn.partition();
            self.account = arn.account().clone();
        }
        if let Some(account) = &grant.account {
            self.account = account.clone();
        }
    }
}

impl fmt::Debug for Facts {
    // The seed may be a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Facts")
            .field("role_name", &self.role_name)
            .field("account", &self.account)
            .field("partition", &self.partition)
            .field("region", &self.region)
            .field("since", &self.since)
            .finish_non_exhaustive()
    }
}

/// How the last attempt ended, as far as clients are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Well, not yet, or in a way that the next attempt may mend.
    Hopeful,
    /// STS refused (C9, C11).
    Refused {
        /// When it did.
        at: Timestamp,
    },
}
