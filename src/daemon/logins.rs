//! A login typed by hand (`aws sso login`) is seen as soon as it is written.
//!
//! Only while one is waited for is the folder watched in which the AWS CLI keeps
//! them. What a file holds is read by the next attempt, and by nobody here.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio_util::task::AbortOnDropHandle;
use tracing::{debug, info};

use super::role::Known;
use crate::clock::Clock;
use crate::rotation::task::Bell;
use crate::store::State;
use crate::sys::watch::{FolderWatch, written_since};

/// The CLI writes several files for one login, and others write there too.
const REST: Duration = Duration::from_secs(1);

/// No attempt that found no login has begun longer ago than this.
const RECENT: Duration = Duration::from_mins(1);

/// Whoever listens at the door.
pub(super) struct Doorman {
    pub(super) role: Known,
    pub(super) clock: Arc<dyn Clock>,
}

impl Doorman {
    /// Listens as long as the handle is held.
    pub(super) fn keep(self) -> AbortOnDropHandle<()> {
        AbortOnDropHandle::new(tokio::spawn(self.run()))
    }

    async fn run(mut self) {
        let mut outcomes = self.role.store.subscribe();
        while outcomes.wait_for(State::awaits_human).await.is_ok() {
            let cache = self.role.settings.borrow_and_update().source.login_cache();
            tokio::select! {
                _ = outcomes.wait_for(|state| !state.awaits_human()) => {}
                Ok(()) = self.role.settings.changed() => {}
                () = listen(cache.as_deref(), &self.role.bell, &*self.clock) => {}
            }
        }
    }
}

/// Has the role tried after each login.
async fn listen(cache: Option<&Path>, bell: &Bell, clock: &dyn Clock) {
    if let Some(cache) = cache
        && let Err(error) = hear(cache, bell, clock).await
    {
        debug!(event = "login", %error, "a login is not noticed, only found by the next attempt");
    }
    std::future::pending::<()>().await;
}

async fn hear(cache: &Path, bell: &Bell, clock: &dyn Clock) -> io::Result<()> {
    let mut watch = FolderWatch::new(cache)?;
    // One that came while the attempt was under way is not told any more.
    if !written_since(cache, SystemTime::from(clock.now().wall) - RECENT) {
        watch.changed().await?;
    }
    loop {
        info!(event = "login", "a login was written; the role is tried");
        bell.refresh();
        tokio::time::sleep(REST).await;
        watch.changed().await?;
    }
}
