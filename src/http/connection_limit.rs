//! How many connections may be open: per listener, per source, and of all listeners together.
//!
//! A newcomer always gets a place, and soon: if there is none, the connection that is missed least
//! is closed for it, the oldest idle one of the source that has most. So whoever opens many
//! connections closes their own, and nobody else waits. A client that shows up later is served
//! later, never refused (T22): a connection that has just come is left alone until its request had
//! the time to arrive.

mod source;
mod table;

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::AbortHandle;
use tracing::warn;

use super::activity::ConnectionActivity;
use crate::clock::BootTime;
use crate::log_throttle::LogThrottle;
pub use source::Source;
use table::{Connection, Id, Place, Table, Victim};

/// From so many on, the memory of closed connections is worth giving back.
const MANY: usize = 64;
/// Sources that are looked up for each newcomer, so that no one of them waits for all look-ups.
const LOOKUPS: usize = 8;
/// How long a newcomer waits before it tries again if there is nothing to close.
const RETRY: Duration = Duration::from_millis(5);

/// Tells the source of a connection from the peer's address and the local one.
pub type IdentifySource = fn(SocketAddr, SocketAddr) -> Source;

/// The connections of all listeners.
pub struct ConnectionLimiter {
    state: Mutex<State>,
    identify: IdentifySource,
    on_idle: Box<dyn Fn() + Send + Sync>,
}

struct State {
    table: Table,
    /// The most that were open since `on_idle` was called.
    peak: usize,
}

impl ConnectionLimiter {
    /// For at most `capacity` connections. `on_idle` is called when many were open and nearly
    /// all of them are closed.
    pub fn new(
        capacity: usize,
        identify: IdentifySource,
        on_idle: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        let state = Mutex::new(State { table: Table::new(capacity), peak: 0 });
        Self { state, identify, on_idle: Box::new(on_idle) }
    }

    /// Adds a listener, named by its address in logs, that has at most `max` connections.
    pub fn listener(self: &Arc<Self>, address: SocketAddr, max: usize) -> ListenerLimit {
        let id = self.lock().table.add_listener(address, max);
        ListenerLimit { limiter: Arc::clone(self), id, throttle: LogThrottle::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ConnectionLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionLimiter")
            .field("open", &self.lock().table.open())
            .finish_non_exhaustive()
    }
}

/// The places of one listener; some are reserved for it until this is dropped.
#[derive(Debug)]
pub struct ListenerLimit {
    limiter: Arc<ConnectionLimiter>,
    id: Id,
    throttle: LogThrottle,
}

/// A newcomer.
#[derive(Debug)]
pub(super) struct Newcomer {
    pub(super) peer: SocketAddr,
    pub(super) local: SocketAddr,
    /// Its user, if that was looked up already.
    pub(super) uid: Option<u32>,
    pub(super) activity: Arc<ConnectionActivity>,
}

/// The place of one open connection, until this is dropped.
#[derive(Debug)]
pub(super) struct ConnectionPermit {
    limiter: Arc<ConnectionLimiter>,
    listener: Id,
    connection: Id,
}

impl ListenerLimit {
    /// Waits for a place, some milliseconds at most.
    pub(super) async fn admit(&self, newcomer: Newcomer) -> ConnectionPermit {
        let mut source = newcomer.uid.map(Source::User);
        loop {
            let now = newcomer.activity.now();
            match self.find_place(&newcomer, &mut source, now) {
                Place::Free => return self.enter(newcomer, source),
                Place::Taken(victim) => self.evict(victim, now),
                Place::Soon(time) => tokio::time::sleep(time).await,
                Place::None => tokio::time::sleep(RETRY).await,
            }
        }
    }

    /// The task that serves the connection of this permit.
    pub(super) fn attach(&self, connection: Id, task: AbortHandle) {
        if let Some(listener) = self.limiter.lock().table.listener_mut(self.id) {
            listener.attach(connection, task);
        }
    }

    /// Closes an idle connection of any listener; false if there is none.
    pub(super) fn close_one(&self, now: BootTime) -> bool {
        let victim = self.limiter.lock().table.spare(now);
        victim.inspect(|victim| self.evict(*victim, now)).is_some()
    }

    /// Looks sources up only if places are scarce: until then no source has more than its share.
    fn find_place(&self, newcomer: &Newcomer, source: &mut Option<Source>, now: BootTime) -> Place {
        let mut state = self.limiter.lock();
        let identify = |it: &Connection| (self.limiter.identify)(it.peer, it.local);
        if let Some(listener) = state.table.listener_mut(self.id).filter(|it| it.is_contended()) {
            source.get_or_insert_with(|| (self.limiter.identify)(newcomer.peer, newcomer.local));
            listener.identify(LOOKUPS, identify);
        }
        let place = state.table.place_for(self.id, *source, now);
        let Place::Taken(Victim { listener, source: None, .. }) = place else { return place };
        // The choice depends on whose connections they are.
        if let Some(listener) = state.table.listener_mut(listener) {
            listener.identify(usize::MAX, identify);
        }
        state.table.place_for(self.id, *source, now)
    }

    fn enter(&self, newcomer: Newcomer, source: Option<Source>) -> ConnectionPermit {
        let Newcomer { peer, local, activity, .. } = newcomer;
        let accepted = activity.last();
        let connection = Connection { peer, local, accepted, activity, task: None };
        let mut state = self.limiter.lock();
        let connection = state.table.insert(self.id, source, connection);
        state.peak = state.peak.max(state.table.open());
        ConnectionPermit { limiter: Arc::clone(&self.limiter), listener: self.id, connection }
    }

    fn evict(&self, victim: Victim, now: BootTime) {
        if let Some(suppressed) = self.throttle.admit(now) {
            self.log_limit(victim, suppressed);
        }
        let evicted = self.limiter.lock().table.remove(victim.listener, victim.connection);
        if let Some(task) = evicted.and_then(|connection| connection.task) {
            task.abort();
        }
    }

    fn log_limit(&self, victim: Victim, suppressed: u64) {
        let state = self.limiter.lock();
        let Some(listener) = state.table.listener(victim.listener) else { return };
        let source = victim.source.map(tracing::field::display);
        warn!(
            event = "connection_limit",
            listener = %listener.address(),
            open = listener.len(),
            limit = listener.max(),
            source,
            suppressed,
            hint = "end the program that keeps them open, or raise max_connections of this listener",
            "too many connections: the oldest idle ones are closed"
        );
    }
}

impl Drop for ListenerLimit {
    fn drop(&mut self) {
        self.limiter.lock().table.close_listener(self.id);
    }
}

impl ConnectionPermit {
    /// The number of its connection.
    pub(super) const fn connection(&self) -> Id {
        self.connection
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut state = self.limiter.lock();
        // An evicted connection has been counted out already.
        let _ = state.table.remove(self.listener, self.connection);
        let open = state.table.open();
        if open * MANY <= state.peak {
            let peak = std::mem::replace(&mut state.peak, open);
            drop(state);
            if peak >= MANY {
                (self.limiter.on_idle)();
            }
        }
    }
}

#[cfg(test)]
mod tests;
