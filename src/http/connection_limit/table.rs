//! Which connections are open, counted by listener and source, and which one is closed when a
//! newcomer needs a place. Values only: it waits for nothing and closes nothing.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;

use super::source::Source;
use crate::clock::BootTime;
use crate::http::activity::ConnectionActivity;

/// One part of this many of a listener's places is the share of one source.
const SHARES: usize = 4;
/// How long a connection without a request is safe, at most: a client on a busy machine sends its
/// request some milliseconds after it has connected.
const LONGEST_GRACE: Duration = Duration::from_millis(20);
const SHORTEST_GRACE: Duration = Duration::from_millis(5);
/// Newcomers wait for the end of this time, so it is short enough that 50,000 a second get a place.
const GRACE_PER_PLACE: Duration = Duration::from_micros(20);

/// Numbers listeners and connections, in the order in which they came.
pub(super) type Id = u64;

/// An open connection.
#[derive(Debug)]
pub(super) struct Connection {
    /// Both addresses, as the kernel reports them.
    pub(super) peer: SocketAddr,
    pub(super) local: SocketAddr,
    pub(super) accepted: BootTime,
    pub(super) activity: Arc<ConnectionActivity>,
    /// The task to abort; absent until it is spawned.
    pub(super) task: Option<AbortHandle>,
}

/// What to do for a newcomer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It has a place.
    Free,
    /// It has one when this connection is closed.
    Taken(Victim),
    /// The connection to close has just come, and is safe for so long.
    Soon(Duration),
    /// There is nothing to close.
    None,
}

/// A connection to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Victim {
    pub(super) listener: Id,
    pub(super) connection: Id,
    /// Unknown if nobody looked it up.
    pub(super) source: Option<Source>,
}

/// All connections of all listeners.
#[derive(Debug)]
pub(super) struct Table {
    capacity: usize,
    open: usize,
    next: Id,
    listeners: BTreeMap<Id, Listener>,
}

impl Table {
    /// For at most `capacity` connections, of all listeners together.
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), open: 0, next: 0, listeners: BTreeMap::new() }
    }

    /// Of all listeners together.
    pub(super) const fn open(&self) -> usize {
        self.open
    }

    pub(super) fn listener(&self, id: Id) -> Option<&Listener> {
        self.listeners.get(&id)
    }

    pub(super) fn listener_mut(&mut self, id: Id) -> Option<&mut Listener> {
        self.listeners.get_mut(&id)
    }

    /// Adds a listener for at most `max` connections.
    pub(super) fn add_listener(&mut self, address: SocketAddr, max: usize) -> Id {
        self.next += 1;
        self.listeners.insert(self.next, Listener::new(address, max.clamp(1, self.capacity)));
        self.next
    }

    /// Frees the places that are reserved for a listener that accepts no more.
    pub(super) fn close_listener(&mut self, id: Id) {
        if let Some(listener) = self.listeners.get_mut(&id) {
            listener.is_closed = true;
            self.forget_if_empty(id);
        }
    }

    /// Adds a connection, whether or not there is a place for it.
    pub(super) fn insert(
        &mut self,
        listener: Id,
        source: Option<Source>,
        connection: Connection,
    ) -> Id {
        self.next += 1;
        if let Some(listener) = self.listeners.get_mut(&listener) {
            listener.insert(self.next, source, connection);
            self.open += 1;
        }
        self.next
    }

    /// Removes a connection, unless that was done before.
    pub(super) fn remove(&mut self, listener: Id, connection: Id) -> Option<Connection> {
        let removed = self.listeners.get_mut(&listener)?.remove(connection)?;
        self.open -= 1;
        self.forget_if_empty(listener);
        Some(removed)
    }

    /// Whether there is a place at this listener for a newcomer of this source, and which
    /// connection is to be closed for it otherwise.
    ///
    /// A source that has its share makes room among its own connections.
    pub(super) fn place_for(&self, id: Id, source: Option<Source>, now: BootTime) -> Place {
        let Some(own) = self.listeners.get(&id) else { return Place::None };
        let is_full = own.len() >= own.max;
        if !is_full && self.open < self.capacity {
            return Place::Free;
        }
        if !is_full && own.len() < self.reserved(own) {
            return self.largest().map_or(Place::None, |(id, other)| other.victim(id, None, now));
        }
        let has_its_share = source.filter(|source| own.open_of(*source) >= own.share());
        own.victim(id, has_its_share, now)
    }

    /// The connection that is missed least if the machine is out of descriptors or memory.
    pub(super) fn spare(&self, now: BootTime) -> Option<Victim> {
        let (id, listener) = self.largest()?;
        match listener.victim(id, None, now) {
            Place::Taken(victim) => Some(victim),
            _ => None,
        }
    }

    /// Places that other listeners cannot take from this one.
    fn reserved(&self, listener: &Listener) -> usize {
        if listener.is_closed {
            return 0;
        }
        let count = self.listeners.values().filter(|listener| !listener.is_closed).count();
        (self.capacity / count.max(1)).clamp(1, listener.max)
    }

    /// The listener that takes most beyond what is reserved for it.
    fn largest(&self) -> Option<(Id, &Listener)> {
        let beyond = |listener: &Listener| {
            i64::try_from(listener.len()).unwrap_or(i64::MAX)
                - i64::try_from(self.reserved(listener)).unwrap_or_default()
        };
        let listeners = self.listeners.iter().filter(|(_, listener)| listener.len() > 0);
        listeners.max_by_key(|(_, listener)| beyond(listener)).map(|(id, found)| (*id, found))
    }

    fn forget_if_empty(&mut self, id: Id) {
        if self.listeners.get(&id).is_some_and(|listener| listener.is_closed && listener.len() == 0)
        {
            self.listeners.remove(&id);
        }
    }
}

/// The connections of one listener, by source; those of sources that nobody looked up are together.
#[derive(Debug)]
pub(super) struct Listener {
    address: SocketAddr,
    max: usize,
    is_closed: bool,
    sources: BTreeMap<Option<Source>, Group>,
    source_of: BTreeMap<Id, Option<Source>>,
}

impl Listener {
    fn new(address: SocketAddr, max: usize) -> Self {
        let (sources, source_of) = (BTreeMap::new(), BTreeMap::new());
        Self { address, max, is_closed: false, sources, source_of }
    }

    /// Its address, as the settings have it.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn len(&self) -> usize {
        self.source_of.len()
    }

    pub(super) const fn max(&self) -> usize {
        self.max
    }

    /// Connections that one source may have while others want a place.
    fn share(&self) -> usize {
        (self.max / SHARES).max(1)
    }

    /// Whether one source may have more than its share, so that it matters who has how many.
    pub(super) fn is_contended(&self) -> bool {
        self.len() >= self.share()
    }

    fn open_of(&self, source: Source) -> usize {
        self.sources.get(&Some(source)).map_or(0, |group| group.0.len())
    }

    /// Looks up the sources of at most `count` connections whose source is unknown yet.
    pub(super) fn identify(&mut self, count: usize, source_of: impl Fn(&Connection) -> Source) {
        for _ in 0..count {
            let unknown = self.sources.get_mut(&None).and_then(|group| group.0.pop_first());
            let Some((id, connection)) = unknown else { break };
            let source = source_of(&connection);
            self.insert(id, Some(source), connection);
        }
    }

    /// Hands over the handle by which a connection is closed; it may have ended meanwhile.
    pub(super) fn attach(&mut self, id: Id, task: AbortHandle) {
        let source = self.source_of.get(&id);
        let group = source.and_then(|source| self.sources.get_mut(source));
        if let Some(connection) = group.and_then(|group| group.0.get_mut(&id)) {
            connection.task = Some(task);
        }
    }

    fn insert(&mut self, id: Id, source: Option<Source>, connection: Connection) {
        self.source_of.insert(id, source);
        self.sources.entry(source).or_default().0.insert(id, connection);
    }

    fn remove(&mut self, id: Id) -> Option<Connection> {
        let source = self.source_of.remove(&id)?;
        let group = self.sources.get_mut(&source)?;
        let removed = group.0.remove(&id);
        if group.0.is_empty() && source.is_some() {
            self.sources.remove(&source);
        }
        removed
    }

    /// Idle connections go before those with a request in hand, then those of the source that has
    /// most, then the oldest; of sources that have equally many, the oldest of all.
    fn victim(&self, listener: Id, only: Option<Source>, now: BootTime) -> Place {
        let found = [false, true].into_iter().find_map(|in_hand| self.oldest(in_hand, only, now));
        let Some((source, candidate)) = found else { return Place::None };
        match candidate.safe_for {
            Duration::ZERO => Place::Taken(Victim { listener, connection: candidate.id, source }),
            time => Place::Soon(time),
        }
    }

    /// The oldest connection of the source that has most of this kind.
    fn oldest(
        &self,
        in_hand: bool,
        only: Option<Source>,
        now: BootTime,
    ) -> Option<(Option<Source>, Candidate)> {
        let (grace, mut best) = (self.grace(), None::<(Option<Source>, usize, Candidate)>);
        for (source, group) in &self.sources {
            let size = group.0.len();
            let is_smaller = best.is_some_and(|(_, most, _)| size < most);
            if is_smaller || only.is_some_and(|only| Some(only) != *source) {
                continue;
            }
            let Some(found) = group.oldest(in_hand, now, grace) else { continue };
            if best.is_none_or(|(_, most, oldest)| size > most || found < oldest) {
                best = Some((*source, size, found));
            }
        }
        best.map(|(source, _, oldest)| (source, oldest))
    }

    fn grace(&self) -> Duration {
        let places = u32::try_from(self.max).unwrap_or(u32::MAX);
        GRACE_PER_PLACE.saturating_mul(places).clamp(SHORTEST_GRACE, LONGEST_GRACE)
    }
}

/// The connections of one source, in the order in which they were accepted.
#[derive(Debug, Default)]
struct Group(BTreeMap<Id, Connection>);

/// A connection that may be closed; the best one is the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    is_safe: bool,
    last: BootTime,
    id: Id,
    safe_for: Duration,
}

impl Group {
    /// The one that has been idle longest, or whose request is the oldest.
    fn oldest(&self, in_hand: bool, now: BootTime, grace: Duration) -> Option<Candidate> {
        let mut best: Option<Candidate> = None;
        for (id, connection) in &self.0 {
            // No request is older than its connection.
            if best.is_some_and(|best| !best.is_safe && best.last <= connection.accepted) {
                break;
            }
            let activity = &connection.activity;
            if activity.is_in_hand() != in_hand {
                continue;
            }
            let age = now.since(connection.accepted);
            let safe_for =
                if activity.has_asked() { Duration::ZERO } else { grace.saturating_sub(age) };
            let (is_safe, last) = (!safe_for.is_zero(), activity.last());
            let candidate = Candidate { is_safe, last, id: *id, safe_for };
            best = Some(best.map_or(candidate, |best| best.min(candidate)));
        }
        best
    }
}
