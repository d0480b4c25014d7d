//! What keeps the secrets in memory away from other programs and from disks.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// No core files, no ptrace by others of the same user, no privileges to be won.
///
/// Called before the first thread starts.
///
/// # Errors
/// Where the kernel refuses one of the steps.
pub fn harden() -> io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    not_dumpable()
}

#[cfg(target_os = "linux")]
fn not_dumpable() -> io::Result<()> {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    // Without this, any program of the same user reads /proc/PID/mem.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    rustix::thread::set_no_new_privs(true)?;
    Ok(())
}

/// No debugger attaches, whoever starts it; one that is attached ends the process.
#[cfg(target_os = "macos")]
#[allow(unsafe_code)]
fn not_dumpable() -> io::Result<()> {
    // SAFETY: this request looks at none of the other arguments.
    match unsafe { libc::ptrace(libc::PT_DENY_ATTACH, 0, std::ptr::null_mut(), 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Raises the soft limit of open files to `wanted`, as far as the hard limit allows.
pub fn raise_descriptor_limit(wanted: u64) {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(wanted, |most| most.min(wanted));
    if limit.current.is_some_and(|current| current < wanted) {
        // Refused means fewer connections at a time, no more.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..limit });
    }
}

/// How many files this process may have open; `u64::MAX` if there is no limit.
#[must_use]
pub fn descriptor_limit() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_hardened_process_leaves_no_core() {
        harden().unwrap();
        assert_eq!(getrlimit(Resource::Core).maximum, Some(0));
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        assert!(status.contains("NoNewPrivs:\t1"), "{status}");
    }
}
