//! Waiting for another process to end, by an event and not by looking again.

use std::time::Duration;

/// A process whose end can be waited for.
#[derive(Debug)]
pub struct Watched {
    #[cfg(target_os = "linux")]
    handle: Option<std::os::fd::OwnedFd>,
}

#[cfg(target_os = "linux")]
impl Watched {
    /// The process that has this number now.
    #[must_use]
    pub fn new(pid: u32) -> Self {
        use rustix::process::{Pid, PidfdFlags, pidfd_open};
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        // Who cannot be watched has ended already.
        Self { handle: pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()) }
    }

    /// Waits for its end; false where it takes longer.
    #[must_use]
    pub fn ends_within(&self, span: Duration) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let Some(handle) = &self.handle else { return true };
        let span = Timespec::try_from(span).ok();
        let mut watched = [PollFd::new(handle, PollFlags::IN)];
        // A signal that comes meanwhile is for this process, and ends it.
        poll(&mut watched, span.as_ref()).is_ok_and(|ended| ended > 0)
    }
}

#[cfg(not(target_os = "linux"))]
impl Watched {
    /// The process that has this number now.
    #[must_use]
    pub const fn new(_: u32) -> Self {
        Self {}
    }

    /// Nothing to wait by here: it was told, and will end.
    #[must_use]
    pub const fn ends_within(&self, _: Duration) -> bool {
        true
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn an_end_is_seen_and_a_life_is_not_taken_for_one() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let watched = Watched::new(child.id());
        assert!(!watched.ends_within(Duration::ZERO));
        drop(child.stdin.take());
        assert!(watched.ends_within(Duration::from_secs(30)));
        child.wait().unwrap();
        assert!(Watched::new(u32::MAX).ends_within(Duration::ZERO));
    }
}
