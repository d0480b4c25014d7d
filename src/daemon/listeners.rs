//! The sockets that are served, and how they change while others stay.
//!
//! A listener that stays is not touched. One that goes stops accepting, and
//! its connections end after the request in hand. One whose terms change keeps
//! its socket, so that no connection in its queue is lost.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use super::capacity;
use super::orders::Orders;
use super::sites::Sites;
use super::start;
use crate::access::permit::{CallerIdentity, Groups, User};
use crate::access::policy::Admission;
use crate::config::{Listen, ListenKind, Mistake, Mistakes};
use crate::fatal::Fatal;
use crate::http::{ConnectionCloser, ConnectionLimiter, Listener, Lookup, Source};
use crate::pulse::Pulse;
use crate::status::ListenerStatus;
use crate::sys::memory;
use crate::sys::peer::{self, Peer};

/// How long requests in hand may take to finish after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);

/// A socket that is bound, and what was asked for.
#[derive(Debug)]
pub(super) struct Bound {
    listen: Listen,
    socket: TcpListener,
}

impl Bound {
    pub(super) fn new(listen: &Listen) -> Result<Self, Fatal> {
        Ok(Self { listen: listen.clone(), socket: start::bind(listen.address)? })
    }

    /// One that somebody else bound.
    pub(super) const fn of(socket: TcpListener, listen: Listen) -> Self {
        Self { listen, socket }
    }

    pub(super) const fn listen(&self) -> &Listen {
        &self.listen
    }

    pub(super) const fn kind(&self) -> ListenKind {
        self.listen.kind
    }

    /// Where it really is, the port resolved.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.socket.local_addr().ok()
    }

    /// The same socket under other terms.
    fn again(&self, listen: &Listen) -> Result<Self, Mistake> {
        let socket = self.socket.try_clone().map_err(|error| {
            Mistake::new(format!("cannot keep {}: {error}", listen.address)).key("listen")
        })?;
        Ok(Self { listen: listen.clone(), socket })
    }
}

#[derive(Debug)]
struct Open {
    bound: Bound,
    pulse: Pulse,
    closing: CancellationToken,
}

/// Every listener that is open, and all their connections.
#[derive(Debug)]
pub(super) struct Listeners {
    open: Vec<Open>,
    limiter: Arc<ConnectionLimiter>,
    connections: TaskTracker,
    closer: ConnectionCloser,
    closing: CancellationToken,
}

/// How the listeners are to change; what could fail has been done.
#[derive(Debug)]
pub(super) struct Change {
    /// Which of the open ones go, by their places.
    leaving: Vec<usize>,
    coming: Vec<Bound>,
}

impl Default for Listeners {
    fn default() -> Self {
        let capacity = capacity::connections();
        Self {
            open: Vec::new(),
            limiter: Arc::new(ConnectionLimiter::new(capacity, source, memory::shed_heap)),
            connections: TaskTracker::new(),
            closer: ConnectionCloser::default(),
            closing: CancellationToken::new(),
        }
    }
}

impl Listeners {
    /// Where they are, ports resolved.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.open.iter().filter_map(|open| open.bound.address()).collect()
    }

    /// Ends every connection that is open.
    pub(super) fn closer(&self) -> ConnectionCloser {
        self.closer.clone()
    }

    /// Of each accept loop.
    pub(super) fn pulses(&self) -> impl Iterator<Item = Pulse> {
        self.open.iter().map(|open| open.pulse.clone())
    }

    /// As a status shows them.
    pub(super) fn shown(&self) -> Vec<ListenerStatus> {
        let bound = self.open.iter().map(|open| &open.bound);
        bound
            .filter_map(|bound| {
                let kind = bound.kind().as_str().to_owned();
                let role = bound.listen.role.clone();
                Some(ListenerStatus { kind, address: bound.address()?, role })
            })
            .collect()
    }

    /// The first of this kind.
    pub(super) fn first(&self, kind: ListenKind) -> Option<&Bound> {
        self.open.iter().map(|open| &open.bound).find(|bound| bound.kind() == kind)
    }

    /// Begins to accept.
    pub(super) fn serve(&mut self, bound: Bound, sites: &Sites) -> Result<(), Fatal> {
        let bug = |error: io::Error| start::unwatched(&error);
        let socket = bound.socket.try_clone().map_err(bug)?;
        let pulse = Pulse::default();
        let listener = Listener {
            socket: tokio::net::TcpListener::from_std(socket).map_err(bug)?,
            address: bound.listen.address,
            identify,
            admission: admission(&bound.listen),
            endpoint: sites.endpoint(&bound.listen),
            limit: self.limiter.listener(bound.listen.address, bound.listen.max_connections),
            connections: self.connections.clone(),
            closer: self.closer.clone(),
            pulse: pulse.clone(),
        };
        capacity::warn_of_shortage(&bound.listen);
        let closing = self.closing.child_token();
        self.connections.spawn(listener.serve(closing.clone()));
        if let Some(address) = bound.address() {
            info!(event = "listening", kind = bound.kind().as_str(), %address, "serving");
        }
        self.open.push(Open { bound, pulse, closing });
        Ok(())
    }

    /// Binds what is new in `wanted`; changes nothing yet.
    pub(super) fn plan(&self, wanted: &[Listen], mistakes: &mut Mistakes) -> Change {
        let mut leaving: Vec<usize> = (0..self.open.len()).collect();
        let mut missing = Vec::new();
        for listen in wanted {
            let stays = |place: &usize| self.listen(*place) == Some(listen);
            match leaving.iter().position(stays) {
                Some(place) => drop(leaving.remove(place)),
                None => missing.push(listen),
            }
        }
        let coming = missing.into_iter().filter_map(|listen| {
            let bound = match self.at(listen.address, &leaving) {
                Some(open) => open.bound.again(listen),
                None => Bound::new(listen).map_err(|fatal| self.unbindable(listen, fatal)),
            };
            mistakes.note(bound)
        });
        let coming = coming.collect();
        Change { leaving, coming }
    }

    /// Opens what comes, then lets go what leaves; says what that was.
    pub(super) fn apply(&mut self, change: Change, sites: &Sites) -> Vec<String> {
        let mut changed = Vec::new();
        let count = self.open.len();
        for bound in change.coming {
            let address = bound.listen.address;
            match self.serve(bound, sites) {
                Ok(()) if self.at(address, &change.leaving).is_some() => {
                    changed.push(format!("other terms on {address}"));
                }
                Ok(()) => changed.push(format!("listening on {address}")),
                Err(fatal) => warn!(event = "reload", error = %fatal, "a listener is not served"),
            }
        }
        for place in (0..count).rev().filter(|place| change.leaving.contains(place)) {
            let open = self.open.remove(place);
            open.closing.cancel();
            let address = open.bound.listen.address;
            let stays = |open: &Open| open.bound.listen.address == address && address.port() != 0;
            if !self.open.iter().any(stays) {
                changed.push(format!("no longer listening on {address}"));
            }
        }
        changed
    }

    /// Finishes the requests in hand; a second order to end cuts that short.
    pub(super) async fn drain(&self, orders: &mut Orders) {
        self.closing.cancel();
        self.connections.close();
        let met = tokio::select! {
            drained = tokio::time::timeout(GRACE, self.connections.wait()) => drained.is_ok(),
            () = orders.end() => false,
        };
        if met {
            info!(event = "stopped", "stopped; every request in hand was answered");
        } else {
            warn!(
                event = "stopped",
                open = self.connections.len(),
                "stopped with connections still open"
            );
        }
    }

    fn listen(&self, place: usize) -> Option<&Listen> {
        self.open.get(place).map(|open| &open.bound.listen)
    }

    /// The one among `places` that has this very address; port 0 is another one each time.
    fn at(&self, address: SocketAddr, places: &[usize]) -> Option<&Open> {
        let open = places.iter().filter_map(|place| self.open.get(*place));
        open.into_iter().find(|open| open.bound.listen.address == address && address.port() != 0)
    }

    fn unbindable(&self, listen: &Listen, fatal: Fatal) -> Mistake {
        let port = listen.address.port();
        let ours = self.addresses().iter().any(|address| address.port() == port);
        let mistake = Mistake::new(fatal.message).key("listen");
        match fatal.hint {
            _ if ours => mistake.hint("it overlaps a listener that is open: this needs a restart"),
            Some(hint) => mistake.hint(hint),
            None => mistake,
        }
    }
}

/// Whoever shows the token of a pod may come from anywhere.
fn admission(listen: &Listen) -> Admission {
    match listen.kind {
        ListenKind::PodIdentity => Admission::everybody(),
        _ => Admission::new(listen.allow_from.clone()),
    }
}

/// Whom a connection is counted for.
fn source(other: SocketAddr, own: SocketAddr) -> Source {
    match peer::look_up(other, own) {
        Peer::User(uid) => Source::User(uid),
        Peer::UnknownUser => Source::UnknownUser,
        Peer::Elsewhere => Source::of_address(other.ip()),
    }
}

fn identify(peer: SocketAddr, local: SocketAddr, lookup: Lookup) -> CallerIdentity {
    match peer::look_up(peer, local) {
        Peer::User(uid) => {
            let with_groups = lookup == Lookup::UserAndGroups;
            let groups = if with_groups { peer::groups(uid) } else { Groups::default() };
            CallerIdentity::LocalUser(User { uid, groups })
        }
        Peer::UnknownUser => CallerIdentity::UnknownLocalUser,
        Peer::Elsewhere => CallerIdentity::Remote,
    }
}
