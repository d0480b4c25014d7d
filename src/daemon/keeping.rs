//! MFA sessions over a restart: the service manager keeps them, in sealed memory.
//!
//! Never on disk, and only where its unit says so. What a lock, an end or STS
//! takes away is taken from there too.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use tokio_util::task::AbortOnDropHandle;
use tracing::{info, warn};

use crate::clock::{Clock, Now};
use crate::command::StartCommand;
use crate::rotation::port::Alarm;
use crate::sts::{Keepsake, Reception};
use crate::sys::activation::SESSIONS;
use crate::sys::notify::Notify;
use crate::sys::sealed;
use crate::sys::wake::WallAlarm;

/// A reception that goes on with what an earlier process had kept; with nothing, where
/// that is not to be believed.
pub(super) fn reception(
    kept: Option<OwnedFd>,
    commands: Option<Arc<dyn StartCommand>>,
    now: Now,
) -> Reception {
    let reception = Reception::default().with_commands(commands);
    match kept.map(|kept| restored(kept, now)) {
        None => {}
        Some(Ok(keepsake)) => {
            info!(event = "restored", "MFA sessions outlived the restart");
            reception.restore(keepsake);
        }
        Some(Err(error)) => {
            warn!(event = "restored", error, "what was kept of MFA sessions is refused");
        }
    }
    reception
}

pub(super) fn restored(kept: OwnedFd, now: Now) -> Result<Keepsake, String> {
    let bytes = sealed::read(kept).map_err(|foreign| foreign.to_string())?;
    Keepsake::decode(&bytes, now).map_err(|malformed| malformed.why.to_owned())
}

/// Has the sessions kept, as they are and as they change, while the handle is held.
pub(super) fn keep(
    notify: &Arc<Notify>,
    reception: &Reception,
    clock: &Arc<dyn Clock>,
) -> Option<AbortOnDropHandle<()>> {
    let alarm = WallAlarm::new().ok().filter(|_| notify.keeps())?;
    let (notify, reception, clock) = (Arc::clone(notify), reception.clone(), Arc::clone(clock));
    Some(AbortOnDropHandle::new(tokio::spawn(hand_over(notify, reception, clock, alarm))))
}

async fn hand_over(
    notify: Arc<Notify>,
    reception: Reception,
    clock: Arc<dyn Clock>,
    mut alarm: WallAlarm,
) {
    let mut kept = reception.keepsake();
    loop {
        let (bytes, next) = {
            let (keepsake, now) = (kept.borrow_and_update(), clock.now());
            (keepsake.encode(now), keepsake.next_end(now))
        };
        // There is one place, and it may hold what is no longer so.
        notify.keep_no_more(SESSIONS);
        match bytes.as_deref().map(|bytes| sealed::seal(bytes)).transpose() {
            Ok(Some(sealed)) => notify.keep(SESSIONS, sealed),
            Ok(None) => {}
            Err(error) => warn!(%error, "MFA sessions will not outlive a restart"),
        }
        tokio::select! {
            Ok(()) = kept.changed() => {}
            _ = alarm.ring_at(next) => {}
        }
    }
}
