//! What the tests need: a clock, credentials that tell their number, a store.

use std::time::Duration;

use jiff::Timestamp;
use shuttle::sync::{Arc, Mutex};

use crate::clock::{self, BootTime, Clock, Now};
use crate::credentials::{Credentials, Grant, Snapshot};
use crate::imds::{Facts, Metadata};
use crate::role::{AccountId, Partition};
use crate::secret::Secret;
use crate::store::Store;

pub const START: Now = Now {
    wall: Timestamp::constant(1_800_000_000, 0),
    boot: BootTime::from_boot(Duration::from_secs(1000)),
};
pub const HOUR: Duration = Duration::from_hours(1);

/// A clock that stands until it is moved. Reading it is a point at which tasks change.
#[derive(Debug)]
pub struct Clockwork(Mutex<Now>);

impl Clockwork {
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(START)))
    }

    pub fn pass(&self, span: Duration) {
        let mut now = self.0.lock().unwrap();
        *now = Now { wall: clock::later(now.wall, span), boot: now.boot.plus(span) };
    }
}

impl Clock for Clockwork {
    fn now(&self) -> Now {
        *self.0.lock().unwrap()
    }
}

/// The access key id of a generation.
#[must_use]
pub fn key_id(number: u64) -> String {
    format!("ASIA{number:016}")
}

/// An hour's credentials whose access key id has this number.
#[must_use]
pub fn grant(number: u64, now: Now) -> Grant {
    let (key, token) = (Secret::new("key"), Secret::new("token"));
    let credentials =
        Credentials::new(key_id(number), key, token, clock::later(now.wall, HOUR)).unwrap();
    Grant { credentials, date: Some(now.wall), account: None, role_arn: None }
}

/// The same as a generation of that number.
#[must_use]
pub fn snapshot(generation: u64, now: Now) -> Snapshot {
    let credentials = grant(generation, now).credentials;
    Snapshot { generation, credentials, obtained: now.wall, deadline: now.boot.plus(HOUR) }
}

#[must_use]
pub fn store(clock: Arc<Clockwork>) -> Arc<Store> {
    let facts = Facts {
        role_name: "deploy".parse().unwrap(),
        account: AccountId::unknown(),
        partition: Partition::Aws,
        region: Partition::Aws.default_region(),
        seed: [0; 32],
        metadata: Metadata::new(),
        since: START.wall,
        account_id_in_document: false,
    };
    Arc::new(Store::new(facts, clock))
}
