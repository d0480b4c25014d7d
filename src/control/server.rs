//! The accept loop of the socket.
//!
//! Nobody can fill it up: a connection that has not yet said what it wants
//! makes room for the next one, the oldest first, so that however many are
//! silent, a new one is heard at once.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use super::connection::{self, Host};
use super::consumer::Peer;
use super::port::Steer;
use super::socket::{Access, Socket};

/// Connections at once.
const MOST: usize = 64;
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
        peer_pidfd: PeerPidfd,
    ) -> io::Result<Self> {
        let listener = UnixListener::from_std(socket.listener.try_clone()?)?;
        Ok(Self {
            listener,
            _socket: socket,
            host: Arc::new(Host { steer }),
            access,
            owner,
            peer_pidfd,
        })
    }

    /// Serves until `closing`; what is in hand then is finished by `connections`.
    pub async fn serve(self, closing: CancellationToken, connections: TaskTracker) {
        let mut guests = Guests::default();
        loop {
            let accepted = tokio::select! {
                () = closing.cancelled() => return,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => self.welcome(stream, &mut guests, &connections),
                Err(error) => {
                    debug!(%error, "cannot accept on the control socket for now");
                    tokio::time::sleep(EXHAUSTION_PAUSE).await;
                }
            }
        }
    }

    fn welcome(&self, stream: UnixStream, guests: &mut Guests, connections: &TaskTracker) {
        // Who cannot be asked who it is, is nobody.
        let Ok(peer) = stream.peer_cred() else { return };
        let admitted = self.access.admits(peer.uid(), self.owner);
        if !admitted {
            warn!(event = "control", uid = peer.uid(), "an order from a user who may not give any");
        }
        // A number of another namespace is shown as 0.
        let pid = peer.pid().and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid != 0);
        let pidfd = (self.peer_pidfd)(stream.as_fd()).ok().map(Arc::new);
        let guest = connection::Guest { peer: Peer { uid: peer.uid(), pid, pidfd }, admitted };
        if !guests.make_room() {
            return;
        }
        let heard = Arc::new(AtomicBool::new(false));
        let (host, told) = (Arc::clone(&self.host), Arc::clone(&heard));
        let task = connections.spawn(connection::serve(stream, host, guest, told));
        guests.0.push_back(Guest { task: task.abort_handle(), heard });
    }
}

/// Who is connected, the oldest first.
#[derive(Debug, Default)]
struct Guests(VecDeque<Guest>);

#[derive(Debug)]
struct Guest {
    task: AbortHandle,
    /// Its order was read: it is waiting for us, no longer we for it.
    heard: Arc<AtomicBool>,
}

impl Guests {
    /// False where every place is taken by an order that is being carried out.
    fn make_room(&mut self) -> bool {
        self.0.retain(|guest| !guest.task.is_finished());
        if self.0.len() < MOST {
            return true;
        }
        let silent = self.0.iter().position(|guest| !guest.heard.load(Ordering::Relaxed));
        match silent.and_then(|place| self.0.remove(place)) {
            Some(guest) => {
                guest.task.abort();
                true
            }
            None => false,
        }
    }
}
