//! The helper's one loop: new sessions, what the daemon says on them, programs that ended.

use std::io::{self, IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Child;
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::low_level::{pipe, unregister};

use super::DESCRIPTORS;
use super::session::Session;

/// More than the daemon ever asks for at once.
const MOST_SESSIONS: usize = 256;

/// Signals are for the daemon, whose end is the helper's. A handler, for programs that
/// are started begin with the default again, as they would not with `SIG_IGN`.
pub(super) fn ignore_signals() -> io::Result<()> {
    for signal in [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2] {
        signal_hook::flag::register(signal, Arc::default())?;
    }
    Ok(())
}

/// Starts programs until the daemon closes its end; whatever still runs is killed then.
pub(super) fn serve(control: UnixStream) {
    // Without descriptors and signals there is nothing to be done, and nobody to tell.
    let Ok((mut exits, other)) = UnixStream::pair() else { return };
    let Ok(handler) = pipe::register(SIGCHLD, other) else { return };
    if exits.set_nonblocking(true).is_ok() {
        let mut server = Server { control, sessions: Vec::new(), ended: Vec::new() };
        while server.turn(&mut exits) {}
    }
    unregister(handler);
}

struct Server {
    control: UnixStream,
    sessions: Vec<Session>,
    /// Programs that were killed, and have not been waited for.
    ended: Vec<Child>,
}

impl Server {
    /// Waits for something to happen and deals with it; false at the end.
    fn turn(&mut self, exits: &mut UnixStream) -> bool {
        let Some(ready) = self.wait(exits) else { return true };
        drain(exits);
        for session in &mut self.sessions {
            session.advance();
        }
        let over = self.sessions.extract_if(.., |session| session.is_over());
        self.ended.extend(over.filter_map(Session::into_child));
        self.ended.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
        !ready || self.accept()
    }

    /// True if there is something on the control socket; `None` if a signal came between.
    fn wait(&self, exits: &UnixStream) -> Option<bool> {
        let own = [PollFd::new(&self.control, PollFlags::IN), PollFd::new(exits, PollFlags::IN)];
        let sessions = self.sessions.iter().map(Session::stream);
        let sessions = sessions.map(|stream| PollFd::new(stream, PollFlags::IN));
        let mut watched: Vec<_> = own.into_iter().chain(sessions).collect();
        poll(&mut watched, None).ok()?;
        watched.first().map(|control| !control.revents().is_empty())
    }

    /// Takes one session; false if the daemon has closed its end.
    fn accept(&mut self) -> bool {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut byte = [0];
        let slices = &mut [IoSliceMut::new(&mut byte)];
        let received = match recvmsg(&self.control, slices, &mut ancillary, FLAGS) {
            Ok(received) => received.bytes,
            Err(Errno::INTR | Errno::AGAIN) => return true,
            Err(_) => return false,
        };
        let rights = ancillary.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        });
        let descriptors: Vec<OwnedFd> = rights.flatten().collect();
        if self.sessions.len() < MOST_SESSIONS {
            self.sessions.extend(Session::new(descriptors));
        }
        received != 0
    }
}

#[cfg(target_os = "linux")]
const FLAGS: RecvFlags = RecvFlags::CMSG_CLOEXEC;
/// [`Session::new`] closes them on exec; there is no other thread that could fork meanwhile.
#[cfg(not(target_os = "linux"))]
const FLAGS: RecvFlags = RecvFlags::empty();

fn drain(pipe: &mut UnixStream) {
    let mut bytes = [0; 64];
    while matches!(pipe.read(&mut bytes), Ok(1..)) {}
}
