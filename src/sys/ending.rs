//! Waiting for another process to end, by an event and not by looking again.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Pid;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A descriptor that becomes readable when the process has ended.
#[cfg(target_os = "linux")]
fn open(pid: Pid) -> io::Result<OwnedFd> {
    use rustix::process::{PidfdFlags, pidfd_open};
    Ok(pidfd_open(pid, PidfdFlags::NONBLOCK)?)
}

/// The same by a queue of kernel events, of which there will be one.
#[cfg(target_os = "macos")]
fn open(pid: Pid) -> io::Result<OwnedFd> {
    use rustix::event::kqueue::{Event, EventFilter, EventFlags, ProcessEvents, kevent, kqueue};
    use std::mem::MaybeUninit;
    let queue = kqueue()?;
    let filter = EventFilter::Proc { pid, flags: ProcessEvents::EXIT };
    let end = Event::new(filter, EventFlags::ADD, std::ptr::null_mut());
    let mut none: [MaybeUninit<Event>; 0] = [];
    // SAFETY: the event names a process and no descriptor.
    unsafe { kevent(&queue, &[end], &mut none, None) }?;
    Ok(queue)
}

/// A descriptor of the process that connected this Unix socket (`SO_PEERPIDFD`, Linux 6.5).
///
/// It names that process even after its number was given to another one.
///
/// # Errors
/// If the kernel does not support it, or the process has ended.
#[cfg(target_os = "linux")]
pub fn peer_pidfd(socket: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    use std::os::fd::{AsRawFd as _, FromRawFd as _};
    let mut pidfd: libc::c_int = -1;
    let mut length = libc::socklen_t::try_from(size_of_val(&pidfd)).unwrap_or_default();
    // SAFETY: the kernel writes at most `length` bytes, which is the size of the integer.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERPIDFD,
            (&raw mut pidfd).cast(),
            &raw mut length,
        )
    };
    if result != 0 || pidfd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just opened this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(pidfd) })
}

/// Not available on this system.
///
/// # Errors
/// Always.
#[cfg(not(target_os = "linux"))]
pub fn peer_pidfd(_: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    Err(io::ErrorKind::Unsupported.into())
}

/// A process whose end can be waited for.
#[derive(Debug)]
pub struct Watched(OwnedFd);

impl Watched {
    /// The process that has this number now.
    ///
    /// # Errors
    /// Where there is none.
    pub fn new(pid: u32) -> io::Result<Self> {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        open(pid).map(Self)
    }

    /// The process of this pidfd.
    ///
    /// # Errors
    /// If the descriptor cannot be duplicated.
    pub fn from_pidfd(pidfd: &OwnedFd) -> io::Result<Self> {
        pidfd.try_clone().map(Self)
    }

    /// Waits for its end; false where it takes longer.
    #[must_use]
    pub fn ends_within(&self, span: Duration) -> bool {
        let span = Timespec::try_from(span).ok();
        let mut watched = [PollFd::new(&self.0, PollFlags::IN)];
        // A signal that comes meanwhile is for this process, and ends it.
        poll(&mut watched, span.as_ref()).is_ok_and(|ended| ended > 0)
    }

    /// Waits for its end, within a runtime.
    ///
    /// # Errors
    /// Where it cannot be waited for.
    pub async fn ended(self) -> io::Result<()> {
        // SAFETY: an `OwnedFd` is open and names one descriptor for as long as it lives, and
        // the `AsyncFd` owns it.
        let handle = unsafe { AsyncFd::register_with_interest(self.0, Interest::READABLE) }?;
        handle.readable().await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn the_pidfd_of_a_peer_names_the_process_that_connected() {
        use std::os::fd::AsFd as _;
        let (own, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        match peer_pidfd(own.as_fd()) {
            Ok(pidfd) => {
                let watched = Watched::from_pidfd(&pidfd).unwrap();
                assert!(!watched.ends_within(Duration::ZERO), "this process is alive");
            }
            Err(error) => eprintln!("SKIPPED: SO_PEERPIDFD: {error}"),
        }
    }

    #[tokio::test]
    async fn an_end_is_seen_and_a_life_is_not_taken_for_one() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let watched = || Watched::new(child.id()).unwrap();
        let (here, elsewhere) = (watched(), watched());
        assert!(!here.ends_within(Duration::ZERO));
        drop(child.stdin.take());
        assert!(here.ends_within(Duration::from_secs(30)));
        elsewhere.ended().await.unwrap();
        child.wait().unwrap();
        assert!(Watched::new(u32::MAX).is_err());
    }
}
