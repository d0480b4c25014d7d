//! The control socket of a daemon: bound at the first place that can be had,
//! served beside the listeners, and the last to close.

use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use super::start;
use crate::clock::Clock;
use crate::config::{self, SOCKET};
use crate::control::{Access, Link, Server, Socket, Steer, Trouble};
use crate::fatal::{Exit, Fatal};
use crate::sys::{ending, identity};

/// How long the last answers may take.
const GRACE: Duration = Duration::from_secs(1);

/// A socket that is bound, and not served yet.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) socket: Socket,
    access: Access,
}

/// A socket that is served.
#[derive(Debug)]
pub(super) struct Control {
    closing: CancellationToken,
    connections: TaskTracker,
    // Held, not read: the link goes with the daemon.
    _link: Option<Link>,
}

impl Bound {
    /// The one that was passed, else at the first place that can be had; `None` where there is none, and none was named.
    pub(super) fn new(
        settings: &config::Control,
        passed: Option<UnixListener>,
    ) -> Result<Option<Self>, Fatal> {
        let access = Access { group: settings.group.clone(), uids: settings.uids.clone() };
        if let Some(socket) = passed.map(Socket::passed) {
            told(&socket, &[]);
            return Ok(Some(Self { socket, access }));
        }
        let mut troubles = Vec::new();
        for place in &settings.places {
            match Socket::bind(place, &access) {
                Ok(socket) => {
                    told(&socket, &troubles);
                    return Ok(Some(Self { socket, access }));
                }
                Err(trouble @ Trouble::NoGroup(_)) => return Err(no_socket(&trouble)),
                Err(trouble) if settings.is_named => return Err(no_socket(&trouble)),
                Err(trouble) => troubles.push(trouble),
            }
        }
        for trouble in &troubles {
            warn!(event = "control", %trouble, "no control socket; --control names a place");
        }
        Ok(None)
    }

    /// Begins to take orders; leaves a link in the state directory, if there is one.
    pub(super) fn serve(
        self,
        steer: Arc<dyn Steer>,
        clock: &Arc<dyn Clock>,
        state_dir: Option<&Path>,
    ) -> Result<Control, Fatal> {
        let link = state_dir.and_then(|folder| link(folder, self.socket.path()));
        let (closing, connections) = (CancellationToken::new(), TaskTracker::new());
        let owner = identity::user_id();
        let pidfd = ending::peer_pidfd;
        let server = Server::new(self.socket, self.access, owner, steer, clock, pidfd)
            .map_err(|error| start::bug("cannot watch the control socket", &error))?;
        connections.spawn(server.serve(closing.clone(), connections.clone()));
        Ok(Control { closing, connections, _link: link })
    }
}

impl Control {
    /// Takes no more orders, and finishes those in hand, unless they take long.
    pub(super) async fn close(self) {
        self.closing.cancel();
        self.connections.close();
        // Whoever waits for a rotation waits in vain.
        let _ = tokio::time::timeout(GRACE, self.connections.wait()).await;
    }
}

fn told(socket: &Socket, troubles: &[Trouble]) {
    let path = socket.path().display();
    if let Some(taken) = troubles.iter().find(|trouble| matches!(trouble, Trouble::Taken(_))) {
        warn!(event = "control", %path, "{taken}; this one is steered elsewhere");
    } else {
        info!(event = "control", %path, "taking orders");
    }
}

fn link(folder: &Path, target: &Path) -> Option<Link> {
    let path = folder.join(SOCKET);
    if path == target {
        return None;
    }
    Link::new(&path, target)
        .inspect_err(|error| warn!(%error, "no link to the control socket in the state directory"))
        .ok()
}

fn no_socket(trouble: &Trouble) -> Fatal {
    let (exit, hint) = match trouble {
        Trouble::Taken(_) => (Exit::Unavailable, "stop that one first, or name another --control"),
        Trouble::InTheWay(_) => (Exit::Settings, "remove it, or name another --control"),
        Trouble::NoGroup(_) => (Exit::Settings, "control.group is a name or a number of a group"),
        Trouble::Io { .. } => {
            (Exit::Settings, "may this user write there? --control names a place")
        }
    };
    Fatal::new(exit, format!("no control socket: {trouble}")).hint(hint)
}
