//! Waiting for another process to end, by an event and not by looking again.
#![allow(unsafe_code)]

use std::io;
use std::time::Duration;

#[cfg(target_os = "linux")]
mod system {
    use std::io;
    use std::os::fd::OwnedFd;
    use std::time::Duration;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::process::{Pid, PidfdFlags, pidfd_open};
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    /// A descriptor that becomes readable when the process has ended.
    pub(super) type Handle = OwnedFd;

    pub(super) fn open(pid: u32) -> io::Result<Handle> {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        Ok(pidfd_open(pid, PidfdFlags::NONBLOCK)?)
    }

    pub(super) fn ends_within(handle: &Handle, span: Duration) -> bool {
        let span = Timespec::try_from(span).ok();
        let mut watched = [PollFd::new(handle, PollFlags::IN)];
        // A signal that comes meanwhile is for this process, and ends it.
        poll(&mut watched, span.as_ref()).is_ok_and(|ended| ended > 0)
    }

    pub(super) async fn ended(handle: Handle) -> io::Result<()> {
        // SAFETY: an `OwnedFd` is open and names one descriptor for as long as it lives, and
        // the `AsyncFd` owns it.
        let handle = unsafe { AsyncFd::register_with_interest(handle, Interest::READABLE) }?;
        handle.readable().await.map(drop)
    }
}

/// Elsewhere nothing is waited for: what was told to end will, and what a
/// process was given lasts as long as its lifetime says.
#[cfg(not(target_os = "linux"))]
mod system {
    use std::io;
    use std::time::Duration;

    pub(super) type Handle = ();

    pub(super) fn open(_: u32) -> io::Result<Handle> {
        Ok(())
    }

    pub(super) fn ends_within((): &Handle, _: Duration) -> bool {
        true
    }

    pub(super) async fn ended((): Handle) -> io::Result<()> {
        std::future::pending().await
    }
}

/// A process whose end can be waited for.
#[derive(Debug)]
pub struct Watched(system::Handle);

impl Watched {
    /// The process that has this number now.
    ///
    /// # Errors
    /// Where there is none.
    pub fn new(pid: u32) -> io::Result<Self> {
        system::open(pid).map(Self)
    }

    /// Waits for its end; false where it takes longer.
    #[must_use]
    pub fn ends_within(&self, span: Duration) -> bool {
        system::ends_within(&self.0, span)
    }

    /// Waits for its end, within a runtime.
    ///
    /// # Errors
    /// Where it cannot be waited for.
    pub async fn ended(self) -> io::Result<()> {
        system::ended(self.0).await
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

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
