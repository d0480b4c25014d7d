//! Descriptors that a process has and does not need.

#![allow(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

/// The first one after standard input, output and error.
const FIRST: RawFd = 3;
/// Where to stop if the system tells neither which are open nor how many may be.
const LAST: RawFd = 65_536;

/// Closes every descriptor but `kept` and the standard ones, whoever opened them.
///
/// # Safety
/// Nothing in this process may use one of them afterwards, or close it again.
pub unsafe fn close_all_but(kept: BorrowedFd<'_>) {
    let kept = kept.as_raw_fd();
    // SAFETY: the caller guarantees that nobody misses them.
    let closed = unsafe { close_range(FIRST, kept - 1) && close_range(kept + 1, RawFd::MAX) };
    if !closed {
        for descriptor in open().into_iter().filter(|it| *it >= FIRST && *it != kept) {
            // SAFETY: as above; one that is not open is an error without effect.
            unsafe { libc::close(descriptor) };
        }
    }
}

/// Puts `/dev/null` in the place of standard input, output and error.
///
/// # Errors
/// If there is no `/dev/null`.
pub fn detach_standard() -> io::Result<()> {
    let null: File = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    Ok(())
}

/// False on kernels before Linux 5.9, and on other systems.
unsafe fn close_range(first: RawFd, last: RawFd) -> bool {
    if first > last {
        return true;
    }
    #[cfg(target_os = "linux")]
    // SAFETY: it takes three numbers; the caller guarantees that nobody misses the descriptors.
    return unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) } == 0;
    #[cfg(not(target_os = "linux"))]
    false
}

/// Those that are open, or that could be if the system does not list them.
fn open() -> Vec<RawFd> {
    let listed = std::fs::read_dir("/dev/fd").map(|entries| {
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names.filter_map(|name| name.parse().ok()).collect()
    });
    listed.unwrap_or_else(|_| {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        let limit = limit.current.and_then(|limit| RawFd::try_from(limit).ok());
        (FIRST..limit.unwrap_or(LAST)).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_is_listed() {
        let file = File::open("/dev/null").unwrap();
        assert!(open().contains(&file.as_raw_fd()));
    }
}
