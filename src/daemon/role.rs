//! One role that is served: what clients read, what wakes its rotation, and
//! the rotation itself, which starts again should it ever panic.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::clock::Clock;
use crate::config::{RoleSettings, Settings};
use crate::http::ServedRole;
use crate::imds::Facts;
use crate::role::AccountId;
use crate::rotation::port::{Assume, Publish};
use crate::rotation::task::{self, Bell, Rotation};
use crate::store::Store;
use crate::sts::{Reception, RoleChain};
use crate::sys::state::KeyBytes;
use crate::sys::wake::WallAlarm;

/// Everything of one role.
#[derive(Debug)]
pub(super) struct Role {
    settings: RoleSettings,
    pub(super) store: Arc<Store>,
    pub(super) bell: Bell,
    /// One code a day, whatever the settings change to meanwhile.
    reception: Reception,
    clock: Arc<dyn Clock>,
    rotation: Running,
}

#[derive(Debug)]
struct Running {
    over: CancellationToken,
    task: JoinHandle<()>,
}

impl Role {
    /// Rotation begins at once.
    pub(super) fn new(
        settings: RoleSettings,
        facts: Facts,
        reception: &Reception,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let store = Arc::new(Store::new(facts, Arc::clone(clock)));
        let bell = Bell::default();
        let chain = RoleChain::at(reception.clone(), settings.source.clone(), Arc::clone(clock));
        let rotation = rotate(&settings.name, chain, &store, &bell, clock);
        let (reception, clock) = (reception.clone(), Arc::clone(clock));
        Self { settings, store, bell, reception, clock, rotation }
    }

    /// Takes other settings over; says whether the role is assumed anew.
    ///
    /// Its credentials stay where the same calls would be made for the same
    /// role. Otherwise the old set is served until the new one is there.
    pub(super) async fn change(&mut self, settings: RoleSettings, facts: Facts) -> bool {
        let anew = !is_same(&self.settings, &settings);
        if anew {
            self.stop().await;
            self.store.succeed(facts);
            if settings.name != self.settings.name {
                self.store.withdraw();
            }
            let (reception, clock) = (self.reception.clone(), Arc::clone(&self.clock));
            let chain = RoleChain::at(reception, settings.source.clone(), clock);
            self.rotation = rotate(&settings.name, chain, &self.store, &self.bell, &self.clock);
        } else {
            self.store.amend(facts);
        }
        self.settings = settings;
        anew
    }

    /// As connections see it.
    pub(super) fn served(&self) -> ServedRole {
        let bell = self.bell.clone();
        let demand = Arc::new(move |now| bell.demand(now));
        ServedRole { store: Arc::clone(&self.store), demand }
    }

    /// What users call it.
    pub(super) fn name(&self) -> &str {
        &self.settings.name
    }

    /// Ends rotation; an attempt in flight is dropped.
    pub(super) async fn stop(&mut self) {
        self.rotation.over.cancel();
        // Supervision itself does not panic, and if it did, it has ended.
        let _ = (&mut self.rotation.task).await;
    }
}

/// What IMDS shows of a role.
pub(super) fn facts(
    settings: &Settings,
    role: &RoleSettings,
    key: &KeyBytes,
    since: Timestamp,
) -> Facts {
    Facts {
        role_name: role.role_name.clone(),
        account: role.account.clone().unwrap_or_else(AccountId::unknown),
        partition: role.region.partition(),
        region: role.region.clone(),
        seed: **key,
        metadata: role.metadata.clone(),
        since,
        account_id_in_document: settings.imds.account_id,
    }
}

/// True where the same calls would be made, for the same role under the same name.
fn is_same(one: &RoleSettings, other: &RoleSettings) -> bool {
    let whose = |role: &RoleSettings| {
        (role.name.clone(), role.role_name.clone(), role.role_arn.clone(), role.account.clone())
    };
    one.source == other.source && whose(one) == whose(other)
}

fn rotate(
    role: &str,
    chain: RoleChain,
    store: &Arc<Store>,
    bell: &Bell,
    clock: &Arc<dyn Clock>,
) -> Running {
    let over = CancellationToken::new();
    let assume = Arc::new(chain);
    let role = role.to_owned();
    let (store, bell, clock) = (Arc::clone(store), bell.clone(), Arc::clone(clock));
    let until = over.clone();
    let task = tokio::spawn(async move {
        while !until.is_cancelled() {
            let Some(alarm) = alarm() else { return };
            let rotation = Rotation {
                role: role.clone(),
                assume: Arc::clone(&assume) as Arc<dyn Assume>,
                publish: Arc::clone(&store) as Arc<dyn Publish>,
                clock: Arc::clone(&clock),
                alarm,
                bell: bell.clone(),
                dice: task::dice(),
                patience: task::PATIENCE,
            };
            if tokio::spawn(rotation.run(until.clone())).await.is_err() {
                error!(event = "panicked", role, "rotation panicked; it starts again");
            }
        }
    });
    Running { over, task }
}

fn alarm() -> Option<WallAlarm> {
    WallAlarm::new()
        .inspect_err(|error| error!(%error, "no timer is to be had; rotation stops"))
        .ok()
}
