//! Who is told how the start went, and what goes on after it: the shell that
//! waits for `--daemon`, and the service manager.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::task::AbortOnDropHandle;

use super::keeping;
use crate::clock::Clock;
use crate::fatal::{Exit, Fatal};
use crate::pulse::Pulse;
use crate::sts::Reception;
use crate::sys::detach::{Herald, Word};
use crate::sys::notify::Notify;

/// Both of them; either may be absent.
#[derive(Debug)]
pub(super) struct Audience {
    herald: Option<Herald>,
    notify: Arc<Notify>,
    ready: bool,
}

impl Audience {
    pub(super) fn new(herald: Option<Herald>, notify: Notify) -> Self {
        Self { herald, notify: Arc::new(notify), ready: false }
    }

    /// True where a shell waits: the daemon has left its terminal then.
    pub(super) const fn is_shell(&self) -> bool {
        self.herald.is_some()
    }

    /// True where somebody wants to know whether the start comes to anything.
    pub(super) fn waits(&self) -> bool {
        self.herald.is_some() || (self.notify.is_heard() && !self.ready)
    }

    /// The start is over.
    pub(super) fn ready(&mut self, word: &Word) -> Result<(), Fatal> {
        if !std::mem::replace(&mut self.ready, true) {
            self.notify.ready();
        }
        match self.herald.take() {
            Some(herald) => herald.tell(word).map_err(|_| nobody_waits()),
            None => Ok(()),
        }
    }

    /// How the active role stands.
    pub(super) fn status(&self, line: &str) {
        self.notify.status(line);
    }

    /// A reload begins.
    pub(super) fn reloading(&self) {
        // Before the start is over, READY would mean something else.
        if self.ready {
            self.notify.reloading();
        }
    }

    /// A reload has ended, whatever came of it.
    pub(super) fn reloaded(&self) {
        if self.ready {
            self.notify.ready();
        }
    }

    /// The end begins; `reason` is why it was not asked for.
    pub(super) fn stopping(&self, reason: Option<&Fatal>) {
        self.notify.stopping();
        if let Some(fatal) = reason {
            self.notify.status(&fatal.to_string());
        }
    }

    /// The last word, when nothing is left behind.
    pub(super) fn dismiss(self, outcome: &Result<(), Fatal>) {
        if let Err(fatal) = outcome {
            self.notify.status(&fatal.to_string());
        }
        let Some(herald) = self.herald else { return };
        let word = match outcome {
            Ok(()) => Fatal::new(Exit::Unavailable, "ended before the first credentials came"),
            Err(fatal) => fatal.clone(),
        };
        // Gone, if it cannot be told.
        let _ = herald.tell(&Word::from(&word));
    }

    /// The service manager keeps the MFA sessions over a restart, while the handle is held.
    pub(super) fn keep(
        &self,
        reception: &Reception,
        clock: &Arc<dyn Clock>,
    ) -> Option<AbortOnDropHandle<()>> {
        keeping::keep(&self.notify, reception, clock)
    }

    pub(super) fn watchdog(&self) -> Watchdog {
        let half = |limit: Duration| tokio::time::interval((limit / 2).max(SHORTEST));
        let mut interval = self.notify.watchdog().map(half);
        if let Some(interval) = &mut interval {
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        }
        Watchdog { notify: Arc::clone(&self.notify), interval, round: None }
    }
}

/// No watchdog is meant to be fed more often.
const SHORTEST: Duration = Duration::from_millis(1);

/// Feeds the service manager's watchdog, as long as every loop answers.
///
/// The one thing here that ticks, and only where somebody set a watchdog.
#[derive(Debug)]
pub(super) struct Watchdog {
    notify: Arc<Notify>,
    interval: Option<Interval>,
    round: Option<AbortOnDropHandle<()>>,
}

impl Watchdog {
    /// Half of the watchdog's patience has passed; never, without a watchdog.
    pub(super) async fn due(&mut self) {
        match &mut self.interval {
            Some(interval) => drop(interval.tick().await),
            None => std::future::pending().await,
        }
    }

    /// Feeds it when each of these has answered. A round that got no answer is over.
    pub(super) fn feel(&mut self, pulses: Vec<Pulse>) {
        let notify = Arc::clone(&self.notify);
        self.round = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            for pulse in pulses {
                pulse.feel().await;
            }
            notify.alive();
        })));
    }
}

fn nobody_waits() -> Fatal {
    Fatal::new(Exit::Unavailable, "whoever started this gave up waiting")
}
