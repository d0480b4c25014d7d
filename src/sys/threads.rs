//! Whether this process has one thread: what a fork, or a change of the environment, needs.

/// True if this is the only thread. Only Linux can tell; elsewhere it is the caller's to know.
#[cfg(target_os = "linux")]
pub(super) fn is_single() -> bool {
    std::fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() == 1)
}

/// True if this is the only thread. Only Linux can tell; elsewhere it is the caller's to know.
#[cfg(not(target_os = "linux"))]
pub(super) const fn is_single() -> bool {
    true
}
