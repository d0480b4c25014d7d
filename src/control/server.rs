//! The accept loop of the control socket.
//!
//! No user can fill it up: `places` says whose connection is closed for a newcomer. Log lines that
//! a caller can cause are throttled.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

use super::connection::{self, Host};
use super::consumer::Peer;
use super::places::{Places, Progress, Room, Standing, User};
use super::port::Steer;
use super::socket::{Access, Socket};
use crate::clock::Clock;
use crate::log_throttle::LogThrottle;

/// How long the loop rests when the machine has no descriptor or memory left.
const EXHAUSTION_PAUSE: Duration = Duration::from_millis(100);

/// Returns a pidfd of the process at the other end of a socket.
pub type PeerPidfd = fn(BorrowedFd<'_>) -> io::Result<OwnedFd>;

/// The listening end of the socket.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    // Held, not read: the file goes with it.
    _socket: Socket,
    host: Arc<Host>,
    access: Access,
    owner: u32,
    clock: Arc<dyn Clock>,
    refusals: LogThrottle,
    limits: LogThrottle,
    exhaustion: LogThrottle,
    peer_pidfd: PeerPidfd,
}

impl Server {
    /// Within a runtime; `owner` is the user that the daemon runs as.
    ///
    /// # Errors
    /// Where the runtime cannot watch the socket.
    pub fn new(
        socket: Socket,
        access: Access,
        owner: u32,
        steer: Arc<dyn Steer>,
        clock: &Arc<dyn Clock>,
        peer_pidfd: PeerPidfd,
    ) -> io::Result<Self> {
        Ok(Self {
            listener: UnixListener::from_std(socket.listener.try_clone()?)?,
            _socket: socket,
            host: Arc::new(Host { steer }),
            access,
            owner,
            clock: Arc::clone(clock),
            refusals: LogThrottle::default(),
            limits: LogThrottle::default(),
            exhaustion: LogThrottle::default(),
            peer_pidfd,
        })
    }

    /// Serves until `closing`; what is in hand then is finished by `connections`.
    pub async fn serve(self, closing: CancellationToken, connections: TaskTracker) {
        let mut places = Places::default();
        loop {
            let accepted = tokio::select! {
                () = closing.cancelled() => return,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => self.welcome(stream, &mut places, &connections),
                Err(error) => {
                    if let Some(suppressed) = self.exhaustion.admit(self.clock.now().boot) {
                        warn!(event = "control", %error, suppressed, "cannot accept on the control socket for now");
                    }
                    tokio::time::sleep(EXHAUSTION_PAUSE).await;
                }
            }
        }
    }

    fn welcome(&self, stream: UnixStream, places: &mut Places, connections: &TaskTracker) {
        // A peer whose user is unknown is nobody's.
        let Ok(peer) = stream.peer_cred() else { return };
        let user = User { uid: peer.uid(), standing: self.standing(peer.uid()) };
        if user.standing == Standing::Refused {
            self.log_refusal(user.uid);
        }
        // A number of another namespace is shown as 0.
        let pid = peer.pid().and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid != 0);
        let admitted = user.standing != Standing::Refused;
        let pidfd = (self.peer_pidfd)(stream.as_fd()).ok().map(Arc::new);
        let guest = connection::Guest { peer: Peer { uid: user.uid, pid, pidfd }, admitted };
        match places.make_room(user) {
            Room::Free => {}
            Room::Made(uid) => self.log_limit(uid),
            Room::None => return self.log_limit(user.uid),
        }
        let progress = Arc::<Progress>::default();
        let (host, own) = (Arc::clone(&self.host), Arc::clone(&progress));
        let task = connections.spawn(connection::serve(stream, host, guest, own));
        places.take(user, task.abort_handle(), progress);
    }

    fn standing(&self, uid: u32) -> Standing {
        if uid == 0 || uid == self.owner {
            Standing::Privileged
        } else if self.access.admits(uid, self.owner) {
            Standing::Admitted
        } else {
            Standing::Refused
        }
    }

    fn log_refusal(&self, uid: u32) {
        if let Some(suppressed) = self.refusals.admit(self.clock.now().boot) {
            let hint = "uids under [control] admits more users of the group";
            warn!(
                event = "control",
                uid, suppressed, hint, "refused a user who may not use the control socket"
            );
        }
    }

    fn log_limit(&self, uid: u32) {
        if let Some(suppressed) = self.limits.admit(self.clock.now().boot) {
            warn!(
                event = "control",
                uid, suppressed, "a user has too many connections to the control socket"
            );
        }
    }
}
