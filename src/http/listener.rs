//! The accept loop: one listener and its connections.
//!
//! A transient error never ends the loop; exhaustion pauses it if no connection can be spared. The
//! limit decides which connection is closed for a newcomer. Who may not
//! connect is turned away on the accepted socket itself, before a byte is read:
//! an address on `lo` can be reached from the next host on the link.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use super::activity::ConnectionActivity;
use super::closer::ConnectionCloser;
use super::connection::{self, End};
use super::connection_limit::{ConnectionPermit, ListenerLimit, Newcomer};
use super::endpoint::{Endpoint, Lookup};
use super::hops::Hops;
use super::visitor::Ends;
use crate::access::permit::{Caller, CallerIdentity};
use crate::access::policy::{Admission, Origin};
use crate::imds::Shown;
use crate::log_throttle::LogThrottle;
use crate::pulse::Pulse;

/// How long the loop rests when the machine has no descriptor or memory left.
const EXHAUSTION_PAUSE: Duration = Duration::from_millis(100);
/// How long a peer may leave our bytes unread before the kernel ends the connection.
const UNREAD_LIMIT: Duration = Duration::from_secs(10);

/// Identifies the process behind a connection, by the peer's address and our own.
pub type IdentifyCaller = fn(SocketAddr, SocketAddr, Lookup) -> CallerIdentity;

/// One listening socket and what its connections share.
#[derive(Debug)]
pub struct Listener {
    /// Bound, and not blocking.
    pub socket: TcpListener,
    /// Its address, as the settings have it.
    pub address: SocketAddr,
    /// Who may connect besides this host.
    pub admission: Admission,
    /// Called for each connection whose caller matters.
    pub identify: IdentifyCaller,
    /// What is served on it.
    pub endpoint: Endpoint,
    /// How many connections it may have.
    pub limit: ListenerLimit,
    /// Knows every open connection.
    pub connections: TaskTracker,
    /// Ends every open connection.
    pub closer: ConnectionCloser,
    /// Tells whether the loop still turns.
    pub pulse: Pulse,
}

/// The place of a connection, and what the connection notes there.
type Permit = (ConnectionPermit, Arc<ConnectionActivity>);

impl Listener {
    /// Accepts until `closing`; connections finish the request in hand then.
    pub async fn serve(self, closing: CancellationToken) {
        spare_congestion_control(&self.socket);
        let (strangers, exhaustion) = (LogThrottle::default(), LogThrottle::default());
        loop {
            let accepted = tokio::select! {
                // Whoever comes after a reload is judged by the listener of then.
                biased;
                () = closing.cancelled() => return,
                () = self.pulse.beat() => None,
                accepted = self.accept(&exhaustion) => accepted,
            };
            if let Some((stream, peer)) = accepted {
                match self.admit(&stream, peer) {
                    Some((ends, local)) => {
                        let permit = self.permit(peer, local, &ends).await;
                        let end = End { closing: closing.clone(), closer: self.closer.subscribe() };
                        self.spawn(stream, ends, permit, end);
                    }
                    None => self.turned_away(peer, &strangers),
                }
            }
        }
    }

    /// The next connection; `None` if this one came to nothing.
    async fn accept(&self, exhaustion: &LogThrottle) -> Option<(TcpStream, SocketAddr)> {
        match self.socket.accept().await {
            Ok(accepted) => Some(accepted),
            Err(error) if concerns_one_connection(&error) => None,
            Err(error) => {
                let now = self.endpoint.clock().now().boot;
                if let Some(suppressed) = exhaustion.admit(now) {
                    warn!(%error, suppressed, "cannot accept connections for now");
                }
                if self.limit.close_one(now) {
                    tokio::task::yield_now().await;
                } else {
                    tokio::time::sleep(EXHAUSTION_PAUSE).await;
                }
                None
            }
        }
    }

    /// The ends of a connection that may stay, and its local address; `None` for a stranger.
    fn admit(&self, stream: &TcpStream, peer: SocketAddr) -> Option<(Ends, SocketAddr)> {
        let end = stream.local_addr().ok()?;
        let local = end.ip().to_canonical();
        let by_address = self.admission.judge(peer.ip(), local);
        let (origin, identity) = self.identify(peer, end, by_address)?;
        let hops = match origin {
            Origin::Here => None,
            // Without a handle there is no hop limit, and without that no connection.
            Origin::Elsewhere => Some(Hops::of(stream, peer.ip()).ok()?),
        };
        tune(stream);
        let caller = Caller { from: peer.ip().to_canonical(), listen: self.address, identity };
        Some((Ends { local, hops, caller, shown: Shown::default() }, end))
    }

    /// Origin and identity of a peer; `None` for one that may not connect.
    ///
    /// A peer that does not look local by its addresses may still be a socket of this host.
    fn identify(
        &self,
        peer: SocketAddr,
        end: SocketAddr,
        by_address: Option<Origin>,
    ) -> Option<(Origin, CallerIdentity)> {
        let lookup = self.endpoint.lookup();
        if by_address == Some(Origin::Here) && lookup == Lookup::None {
            return Some((Origin::Here, CallerIdentity::UnknownLocalUser));
        }
        let identity = (self.identify)(peer, end, lookup);
        let origin = match &identity {
            CallerIdentity::LocalUser(_) => Some(Origin::Here),
            CallerIdentity::UnknownLocalUser | CallerIdentity::Remote => by_address,
        };
        Some((origin?, identity))
    }

    /// Waits for a place of a connection.
    async fn permit(&self, peer: SocketAddr, local: SocketAddr, ends: &Ends) -> Permit {
        let activity = Arc::new(ConnectionActivity::new(self.endpoint.clock()));
        let uid = ends.caller.identity.uid();
        let newcomer = Newcomer { peer, local, uid, activity: Arc::clone(&activity) };
        (self.limit.admit(newcomer).await, activity)
    }

    fn spawn(&self, stream: TcpStream, ends: Ends, (permit, activity): Permit, end: End) {
        let (endpoint, connection) = (self.endpoint.clone(), permit.connection());
        let task = self.connections.spawn(async move {
            if let Err(error) = connection::serve(stream, endpoint, ends, &activity, end).await {
                debug!(%error, "connection ended early");
            }
            drop(permit);
        });
        self.limit.attach(connection, task.abort_handle());
    }

    fn turned_away(&self, peer: SocketAddr, strangers: &LogThrottle) {
        if let Some(suppressed) = strangers.admit(self.endpoint.clock().now().boot) {
            let hint = "allow_from of this listener lets others in";
            warn!(%peer, suppressed, hint, "turned a connection away: it does not come from this machine");
        } else {
            debug!(%peer, "turned a connection away");
        }
    }
}

/// True for what accept(2) reports of a connection that died in the queue.
fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::ConnectionAborted
            | Kind::ConnectionReset
            | Kind::ConnectionRefused
            | Kind::Interrupted
            | Kind::TimedOut
            | Kind::NetworkDown
            | Kind::NetworkUnreachable
            | Kind::HostUnreachable
    )
}

/// What is served fits into the first window of a connection and goes over loopback or one
/// hop: the control that does least does enough. BBR, where it is the host's, paces replies.
fn spare_congestion_control(socket: &TcpListener) {
    // Connections inherit it; one with the host's own still works.
    #[cfg(target_os = "linux")]
    let _ = SockRef::from(socket).set_tcp_congestion(b"reno");
    #[cfg(not(target_os = "linux"))]
    let _ = socket;
}

/// Best effort: a connection without these still works.
fn tune(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    #[cfg(target_os = "linux")]
    let _ = SockRef::from(stream).set_tcp_user_timeout(Some(UNREAD_LIMIT));
    #[cfg(not(target_os = "linux"))]
    let _ = (SockRef::from(stream), UNREAD_LIMIT);
}
